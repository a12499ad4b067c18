#include "sallyport/core/error.hpp"

namespace sallyport {

std::string_view name_of(Code code) {
  switch (code) {
    case Code::bad_request:
      return "bad_request";
    case Code::bad_json:
      return "bad_json";
    case Code::bad_envelope:
      return "bad_envelope";
    case Code::invalid_params:
      return "invalid_params";
    case Code::header_mismatch:
      return "header_mismatch";
    case Code::unsupported_version:
      return "unsupported_version";
    case Code::missing_capability:
      return "missing_capability";
    case Code::method_not_found:
      return "method_not_found";
    case Code::method_not_allowed:
      return "method_not_allowed";
    case Code::unsupported_media:
      return "unsupported_media";
    case Code::not_acceptable:
      return "not_acceptable";
    case Code::not_found:
      return "not_found";
    case Code::unauthenticated:
      return "unauthenticated";
    case Code::forbidden:
      return "forbidden";
    case Code::insufficient_scope:
      return "insufficient_scope";
    case Code::denied:
      return "denied";
    case Code::conflict:
      return "conflict";
    case Code::too_large:
      return "too_large";
    case Code::uri_too_long:
      return "uri_too_long";
    case Code::head_too_large:
      return "head_too_large";
    case Code::limited:
      return "limited";
    case Code::unavailable:
      return "unavailable";
    case Code::upstream_unreachable:
      return "upstream_unreachable";
    case Code::upstream_timeout:
      return "upstream_timeout";
    case Code::upstream_broken:
      return "upstream_broken";
    case Code::circuit_open:
      return "circuit_open";
    case Code::cancelled:
      return "cancelled";
    case Code::not_implemented:
      return "not_implemented";
    case Code::storage:
      return "storage";
    case Code::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace sallyport
