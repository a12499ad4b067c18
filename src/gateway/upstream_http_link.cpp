#include "upstream_http_link.hpp"

#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/headers.hpp"

namespace sallyport::gateway::http {

namespace {
constexpr std::size_t kHeadersRoom = 512;
}  // namespace

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

Failure misanswered(std::string what) {
  Failure out = broken(std::move(what));
  out.error().answered = true;
  return out;
}

Link::Link(net::Shards& shards, Clients& clients, std::shared_ptr<const ServerConfig> config,
           OnNotice on_notice)
    : shards_(shards),
      clients_(clients),
      config_(std::move(config)),
      on_notice_(std::move(on_notice)),
      local_(static_cast<std::size_t>(shards.size())) {}

std::string Link::next_id() {
  const auto shard = static_cast<std::size_t>(net::Shard::current()->index());
  return std::to_string(++local_[shard].last_id * local_.size() + shard);
}

Cancel& Link::closing() { return local_[static_cast<std::size_t>(net::Shard::current()->index())].closing; }

std::string Link::headers(const UpstreamIdentity& identity, const UpstreamCall* call,
                          std::string_view accept) const {
  std::string out;
  out.reserve(kHeadersRoom);
  out.append("Accept: ").append(accept).append("\r\nUser-Agent: sallyport/" SALLYPORT_VERSION "\r\n");
  if (identity.version >= mcp::Version::v2025_06_18) {
    out += "MCP-Protocol-Version: ";
    out += mcp::text_of(identity.version);
    out += "\r\n";
  }
  out += config_->credential_line.reveal();
  out += config_->fixed_lines;
  if (!identity.session.empty()) (void)net::append_header(out, "Mcp-Session-Id", identity.session);
  if (call && identity.modern()) {
    (void)net::append_header(out, "Mcp-Method", mcp::text_of(call->method));
    if (!call->name.empty()) (void)net::append_header(out, "Mcp-Name", mcp::encode_header_value(call->name));
    for (const auto& [name, value] : call->param_headers) (void)net::append_header(out, name, value);
  }
  return out;
}

Task<Result<net::ClientResponse>> Link::send(net::ClientRequest request, Within within) {
  // A stop takes the clients away; background work that still runs ends then.
  net::Client* const client = clients_[static_cast<std::size_t>(net::Shard::current()->index())].get();
  if (!client)
    return ready<Result<net::ClientResponse>>(
        fail(Code::unavailable, Blame::us, "the gateway is stopping", true));
  request.path = config_->origin.url.path;
  if (!request.body.empty()) request.headers += "Content-Type: application/json\r\n";
  return client->send(config_->origin, std::move(request), within.deadline, within.cancel);
}

Task<Result<net::ClientResponse>> Link::get(Identity identity, std::string last_id, Within within) {
  net::ClientRequest request{.method = "GET", .path = {}, .headers = {}, .body = {}};
  request.headers = headers(*identity, nullptr, "text/event-stream");
  if (!last_id.empty() && !net::append_header(request.headers, "Last-Event-ID", last_id))
    co_return broken("an event id of the stream cannot stand in a header");
  co_return co_await send(std::move(request), within);
}

Task<Result<void>> Link::tell(Identity identity, std::string message, Duration within) {
  net::ClientRequest request{
      .method = "POST", .path = {}, .headers = headers(*identity, nullptr), .body = {message}};
  auto response = co_await send(
      std::move(request), {.deadline = std::chrono::steady_clock::now() + within, .cancel = &closing()});
  if (!response) co_return Failure(response.error());
  const int status = response->status();
  net::finish_in_background(std::move(*response), kTail);
  if (status >= 300) co_return broken("HTTP " + std::to_string(status) + " to a message of ours");
  co_return Result<void>();
}

Task<> Link::end_session(std::shared_ptr<Link> link, Identity identity) {
  if (identity->session.empty()) co_return;
  net::ClientRequest request{
      .method = "DELETE", .path = {}, .headers = link->headers(*identity, nullptr), .body = {}};
  auto response =
      co_await link->send(std::move(request), {.deadline = std::chrono::steady_clock::now() + kTail});
  if (response) net::finish_in_background(std::move(*response), kTail);
}

Failure Link::refused_credential(int status) const {
  Failure out = misanswered(
      "HTTP " + std::to_string(status) + ": server '" + config_->document.name + "' refuses " +
      (config_->document.credential.empty() ? "a call without a credential: set `credential:` on it"
                                            : "credential '" + config_->document.credential + "'"));
  out.error().blame = Blame::admin;
  return out;
}

void Link::notice(Notice notice) const {
  notice.server = config_->document.name;
  if (on_notice_) on_notice_(notice);
}

void Link::hear(const mcp::Envelope& notification, const std::string& isolation) const {
  const auto member = [&](std::string_view name) {
    const auto found = notification.params ? notification.params->find(name) : std::nullopt;
    return found ? found->string().value_or("") : std::string();
  };
  const auto about = [&](Notice::Kind kind, std::string id) {
    if (id.empty()) return;
    notice({.kind = kind,
            .server = {},
            .isolation = isolation,
            .id = std::move(id),
            .params = std::string(notification.params->raw())});
  };
  switch (notification.method) {
    case mcp::Method::n_tools_changed:
    case mcp::Method::n_prompts_changed:
    case mcp::Method::n_resources_changed:
      return notice({.kind = Notice::Kind::list_changed, .server = {}, .isolation = isolation});
    case mcp::Method::n_resource_updated:
      return about(Notice::Kind::resource_updated, member("uri"));
    default:
      if (notification.method_text == "notifications/tasks")
        about(Notice::Kind::task_changed, member("taskId"));
  }
}

Task<bool> rest(Duration time, Within within) {
  const auto slot = std::make_shared<Slot<bool>>();
  const SteadyTime now = std::chrono::steady_clock::now();
  const bool whole = within.deadline == SteadyTime::max() || now + time < within.deadline;
  net::Deadline timer(*net::Shard::current());
  timer.set(whole ? time : std::max<Duration>(within.deadline - now, Duration::zero()),
            [slot, whole] { slot->deliver(whole); });
  Cancel::Watch watch;
  if (within.cancel) watch = within.cancel->on_request([slot] { slot->deliver(false); });
  co_return co_await *slot;
}

bool is_passing(int status) {
  return (status >= 500 && status != 501) || status == 429 || status == 409 || status == 408;
}

bool is_absence(int status) { return status >= 502 && status <= 504; }

}  // namespace sallyport::gateway::http
