#pragma once
/// Names as clients see them, a pure function of server, tool and prefix (DESIGN 3.12), and what names may
/// not contain (N41).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::mcp {

/// "server/tool": what policy, pins, limits and journal speak of.
std::string canonical_name(std::string_view server, std::string_view name);

/// `prefix` nullopt: "server__"; "" none. Bytes other than [A-Za-z0-9_-] become '_'; where that changed
/// something or the result is longer than 64 bytes it is cut and ends in '_' and 8 hex digits of the
/// canonical name's SHA-256.
std::string exported_name(std::string_view server, std::string_view name,
                          const std::optional<std::string>& prefix);

/// Refuses control characters, bidirectional and zero-width characters, tag characters, ANSI escapes, invalid
/// UTF-8, non-ASCII letters, empty and oversized names (limits::kNameBytes). Errors: upstream_broken with the
/// reason and the name shown escaped.
Result<void> check_definition_name(std::string_view name);

/// `text` with everything but printable ASCII as \u{...}, for logs and terminals.
std::string escaped(std::string_view text);

/// RFC 6570 match good enough to route: does `uri` fit `uri_template`? Level 1-3 expressions match what they
/// can expand to.
bool template_matches(std::string_view uri_template, std::string_view uri);
/// True for a URI that a server may take for another one: capitals in a scheme or a web host, dots,
/// backslashes, empty segments, escapes of what needs none, and with `file:` a host, a query or a fragment,
/// which file servers drop. Rules compare what is written, so such a URI is served only where a server lists
/// it as it is. An empty segment behind ':' begins a URL within the URI and is none of them.
bool has_other_spellings(std::string_view uri);

/// The same URI with everything escaped that is (in capitals) or is no ASCII, and with nothing escaped; only
/// what differs from it. Which of them a server takes for the same nobody knows, so a denial of one is a
/// denial of all.
std::vector<std::string> other_spellings(std::string_view uri);

}  // namespace sallyport::mcp
