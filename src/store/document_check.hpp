#pragma once
/// What single values of documents must be like. Each returns what is wrong with the value, or "".
/// None repeats the value: it may be a secret in the wrong place.

#include <string>
#include <string_view>

namespace sallyport::store::check {

std::string name(std::string_view text);  ///< [a-z0-9][a-z0-9-]{0,62}
std::string any(std::string_view text);   ///< prose
std::string line(std::string_view text);  ///< one line, not empty
std::string url(
    std::string_view text);  ///< http(s) with a host; where it may lead is the egress guard's matter
std::string path(std::string_view text);  ///< a file or directory, not empty
std::string command(std::string_view text);
std::string argument(std::string_view text);
std::string variable(std::string_view text);        ///< a variable that the gateway reads
std::string child_variable(std::string_view text);  ///< a variable that a child process gets
std::string header(std::string_view text);          ///< where a credential may go
std::string fixed_header(std::string_view text);    ///< a header that is not secret
std::string header_value(std::string_view text);
std::string scheme(std::string_view text);   ///< "" or a token
std::string glob(std::string_view text);     ///< over an upstream's own names
std::string model(std::string_view text);    ///< a model as clients or providers name it
std::string exact(std::string_view text);    ///< one of an upstream's own names
std::string brings(std::string_view text);   ///< glob over PROVIDER/FIELD, or over FIELD
std::string target(std::string_view text);   ///< glob over SERVER/NAME
std::string subject(std::string_view text);  ///< team:x, agent:x, user:x, role:x, claim:n=x, environment:x, *
std::string owner(std::string_view text);    ///< team:x, user:x, agent:x
std::string role(std::string_view text);
std::string claim(std::string_view text);           ///< a claim's name
std::string principal_path(std::string_view text);  ///< principal.name, principal.claims.x ...
std::string claim_path(std::string_view text);      ///< claims.x, claims.x.y, claims["https://x"].y
std::string scope(std::string_view text);           ///< RFC 6749 section 3.3
std::string algorithm(std::string_view text);       ///< RS256 ... ES512
std::string issuer_url(std::string_view text);      ///< as `url`, without a query
std::string argument_name(std::string_view text);   ///< of a tool
std::string expression(std::string_view text);      ///< its length; what it says is the policy layer's matter
std::string member(std::string_view text);          ///< user:x, agent:x
std::string exported_name(std::string_view text);   ///< [A-Za-z0-9_-]{1,64}
std::string prefix(std::string_view text);          ///< [A-Za-z0-9_-]{0,32}
std::string hash_prefix(std::string_view text);     ///< [0-9a-f]{32,64}

}  // namespace sallyport::store::check
