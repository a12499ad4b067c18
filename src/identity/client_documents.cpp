#include "client_documents.hpp"

#include "issuer_url.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::identity {
namespace {

Failure refused(const std::string& why) {
  return client_error(Code::bad_request, "The application's own description cannot be used: " + why);
}

}  // namespace

std::optional<Result<OauthClient>> ClientDocuments::known(const std::string& id, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(id);
  if (found == known_.end() || now >= found->second.until) return std::nullopt;
  return found->second.client;
}

bool ClientDocuments::begin(const std::string& place) {
  const std::lock_guard lock(mutex_);
  if (fetching_ == limits::kClientFetches) return false;
  std::size_t& of_one = of_one_[place];
  if (of_one == limits::kClientFetchesOfOne) return false;
  ++of_one;
  ++fetching_;
  return true;
}

void ClientDocuments::end(const std::string& place) {
  const std::lock_guard lock(mutex_);
  --fetching_;
  const auto found = of_one_.find(place);
  if (found != of_one_.end() && --found->second == 0) of_one_.erase(found);
}

Task<Result<OauthClient>> ClientDocuments::find(net::Client& client, std::string id, std::string place,
                                                SteadyTime now) {
  if (auto there = known(id, now)) co_return std::move(*there);
  if (!issuer_url(id, allow_private_)) co_return refused("its address may not be asked.");
  // Anybody may name any URL: we are no tool for knocking at other people's doors.
  if (!begin(place))
    co_return fail(Code::limited, Blame::us, "too many client documents are being fetched", true);
  auto found = co_await fetch(client, id);
  end(place);
  // Says nothing of the document.
  if (!found && found.error().code == Code::limited) co_return found;
  const std::lock_guard lock(mutex_);
  if (known_.size() >= limits::kClientsKept)
    std::erase_if(known_, [&](const auto& one) { return now >= one.second.until || !one.second.client; });
  if (known_.size() >= limits::kClientsKept) known_.erase(known_.begin());
  const Duration kept = found ? Duration(limits::kClientKept) : Duration(limits::kRefusalKept);
  known_.insert_or_assign(id, Known{.client = found, .until = now + kept});
  co_return found;
}

Task<Result<OauthClient>> ClientDocuments::fetch(net::Client& client, std::string id) const {
  auto url = issuer_url(id, allow_private_);
  if (!url) co_return refused("its address may not be asked.");
  const net::Origin origin{
      .url = std::move(*url), .allow_private = allow_private_, .named_by = net::NamedBy::stranger};
  net::ClientRequest request{
      .method = "GET", .path = origin.url.path, .headers = "Accept: application/json\r\n", .body = {}};
  auto response = co_await client.send(origin, std::move(request),
                                       std::chrono::steady_clock::now() + limits::kIssuerDeadline, nullptr);
  if (!response && response.error().code == Code::limited) co_return Failure(std::move(response.error()));
  if (!response) co_return refused("nobody answers at its address.");
  if (response->status() != 200)
    co_return refused("its address answered " + std::to_string(response->status()) + ".");
  auto text = co_await response->whole(limits::kClientDocument);
  if (!text) co_return refused("it is longer than 64 KiB, or broke off.");
  const auto document = json::Document::parse(std::move(*text));
  if (!document || !document->root().is(json::Kind::object)) co_return refused("it is no JSON object.");
  const auto root = document->root();
  const auto own = root.find("client_id");
  if (!own || own->string() != id) co_return refused("its client_id is not its address.");
  if (root.find("client_secret")) co_return refused("it gives a secret away.");
  const auto way = root.find("token_endpoint_auth_method");
  if (way && way->string() != "none") co_return refused("its token_endpoint_auth_method is not none.");
  auto out = read_client(root);
  if (!out) co_return refused(out.error().hint);
  out->id = std::move(id);
  out->host = origin.url.host;
  co_return out;
}

}  // namespace sallyport::identity
