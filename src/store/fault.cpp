#include "sallyport/store/fault.hpp"

namespace sallyport::store {

std::function<Result<void>(std::string_view)>& fault_for_test() {
  static std::function<Result<void>(std::string_view)> fault;
  return fault;
}

Result<void> reach(std::string_view point) {
  const auto& fault = fault_for_test();
  return fault ? fault(point) : Result<void>{};
}

}  // namespace sallyport::store
