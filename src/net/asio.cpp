// The one translation unit that carries Asio's own code; every other one sees declarations only.
#include <boost/asio/impl/src.hpp>
