#include "sallyport/cli/program.hpp"
#include "sallyport/net/child.hpp"

int main(int argc, char** argv) {
  sallyport::net::guard_main_if_asked(argc, argv);
  return sallyport::cli::run(argc, argv);
}
