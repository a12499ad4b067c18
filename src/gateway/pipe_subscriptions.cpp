#include "pipe_subscriptions.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>

#include "message_pipe.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kLists[] = {"tools", "prompts", "resources"};

/// How long an upstream may take to confirm anew what was watched before it was opened again.
constexpr auto kConfirm = std::chrono::seconds(30);

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

bool flag(std::optional<json::Value> object, std::string_view key) {
  const auto member = object ? object->find(key) : std::nullopt;
  return member && member->boolean().value_or(false);
}

void append_texts(std::string& out, std::string_view key, const std::set<Subject>& wanted, Topic topic) {
  std::string list;
  for (const auto& [its, id] : wanted) {
    if (its != topic) continue;
    list += list.empty() ? "[" : ",";
    json::append_quoted(list, id);
  }
  if (list.empty()) return;
  if (out.size() > 1) out += ',';
  out += json::quote(key) + ":" + list + "]";
}

void take_texts(std::set<Subject>& out, json::Value filter, std::string_view key, Topic topic) {
  const auto list = filter.find(key);
  if (!list) return;
  for (const json::Value item : list->elements()) out.emplace(topic, item.string().value_or(""));
}

}  // namespace

Subscriptions::Subscriptions(MessagePipe& pipe)
    : pipe_(pipe), delay_(limits::kChildBackoffMin), again_(pipe.shard()) {}

void Subscriptions::begin(const UpstreamIdentity& identity, const std::map<Subject, bool>& wanted) {
  const auto capabilities = json::Document::parse(identity.capabilities, json::kUpstream);
  promised_.clear();
  bool all = true;
  for (const std::string_view list : kLists) {
    const auto its = capabilities ? capabilities->root().find(list) : std::nullopt;
    if (!its) continue;
    if (flag(its, "listChanged"))
      promised_.insert(std::string(list) + "ListChanged");
    else
      all = false;
  }
  all_promised_ = all;
  const auto resources = capabilities ? capabilities->root().find("resources") : std::nullopt;
  can_subscribe_ = flag(resources, "subscribe");
  modern_ = identity.modern();
  if (modern_) {
    for (const auto& [subject, missed] : wanted) wanted_.insert(subject);
    open_listen();
  }
  // A modern upstream confirms the lists with its own word; a legacy one has promised.
  set_lists_notify(all && (!modern_ || promised_.empty()));
  for (const auto& [subject, missed] : wanted) spawn(add_again(pipe_.shared_from_this(), subject, missed));
}

/// What changed while the upstream was away is not known: the watcher looks again.
Task<> Subscriptions::add_again(std::shared_ptr<MessagePipe> pipe, Subject subject, bool missed) {
  auto confirmed = co_await pipe->subscriptions().add(subject, std::chrono::steady_clock::now() + kConfirm);
  if (!confirmed) {
    spdlog::warn("server {}: what was watched is not watched any more: {}", pipe->config().document.name,
                 confirmed.error().what);
  } else if (missed && subject.first == Topic::resource) {
    pipe->tell(Notice::Kind::resource_updated, subject.second,
               "{\"uri\":" + json::quote(subject.second) + "}");
  }
}

Task<Result<bool>> Subscriptions::add(Subject subject, SteadyTime deadline) {
  const auto pipe = pipe_.shared_from_this();
  if (!pipe_.running()) co_return broken(pipe_.kind().noun + " has ended");
  if (!modern_) {
    if (subject.first != Topic::resource || !can_subscribe_) co_return broken("offers no subscriptions");
    wanted_.insert(subject);
    auto& flight = subscribed_[subject];
    if (!flight) flight = std::make_shared<SingleFlight<bool>>();
    const auto its = flight;
    if (its->value) co_return true;
    co_return co_await its->join(pipe_.shard(), deadline, [this, subject] { subscribe(subject); });
  }
  const bool fresh = wanted_.insert(subject).second;
  const std::uint64_t newest = listens_.empty() ? 0 : listens_.rbegin()->first;
  // What the listen that is confirmed says of it holds; one that is not yet confirmed has it in its filter.
  if (!fresh && newest != 0 && acknowledged_ == newest) co_return honours(subject);
  const auto slot = std::make_shared<Slot<Result<bool>>>();
  net::Deadline late(pipe_.shard());
  late.set_at(deadline, [slot] {
    slot->deliver(fail(Code::upstream_timeout, Blame::upstream, "subscription not confirmed in time"));
  });
  const bool open = fresh || listens_.empty();
  waiting_.push_back({subject, open ? last_listen_ + 1 : newest, slot});
  if (open) open_listen();
  co_return co_await *slot;
}

Result<bool> Subscriptions::honours(const Subject& subject) const {
  if (honoured_.contains(subject)) return true;
  return broken("does not take subscriptions of this sort");
}

void Subscriptions::remove(const Subject& subject) {
  if (!wanted_.erase(subject) || !pipe_.running()) return;
  if (modern_) return open_listen();
  const auto it = subscribed_.find(subject);
  // One that is under way is ended when it is confirmed.
  if (it != subscribed_.end() && it->second->value) unsubscribe(subject);
}

void Subscriptions::subscribe(const Subject& subject) {
  const auto flight = subscribed_[subject];
  const std::string id =
      pipe_.ask(mcp::Method::resources_subscribe, "{\"uri\":" + json::quote(subject.second) + "}",
                [weak = pipe_.weak_from_this(), subject, flight](Result<UpstreamAnswer> answer) {
                  const auto pipe = weak.lock();
                  if (!pipe) return;
                  if (!answer) return flight->land(Failure(std::move(answer.error())));
                  if (answer->is_error)
                    return flight->land(broken("resources/subscribe refused: " +
                                               wire::words_of(answer->payload, pipe->config())));
                  flight->land(true);
                  Subscriptions& self = pipe->subscriptions();
                  if (!self.wanted_.contains(subject)) self.unsubscribe(subject);
                });
  if (id.empty()) flight->land(broken(pipe_.kind().noun + " does not take its input"));
}

void Subscriptions::unsubscribe(const Subject& subject) {
  subscribed_.erase(subject);
  pipe_.ask(
      mcp::Method::resources_unsubscribe, "{\"uri\":" + json::quote(subject.second) + "}",
      [](const Result<UpstreamAnswer>&) {}, Carrier::Order::before_what_follows);
}

void Subscriptions::open_listen() {
  again_.clear();
  const std::uint64_t number = ++last_listen_;
  if (promised_.empty() && wanted_.empty()) return dismiss_before(number);
  std::string filter = "{";
  for (const std::string& list : promised_)
    filter += (filter.size() > 1 ? "," : "") + json::quote(list) + ":true";
  append_texts(filter, "resourceSubscriptions", wanted_, Topic::resource);
  append_texts(filter, "taskIds", wanted_, Topic::task);
  filter += '}';
  UpstreamCall listen{.method = mcp::Method::subscriptions_listen,
                      .replace = {{"notifications", std::move(filter)}}};
  if (std::ranges::any_of(wanted_, [](const Subject& subject) { return subject.first == Topic::task; }))
    listen.capabilities = wire::kTasksCapability;
  const std::string id =
      pipe_.ask(listen.method, wire::upstream_params(listen, {.version = mcp::kModern}, {}),
                [weak = pipe_.weak_from_this(), number](Result<UpstreamAnswer> answer) {
                  const auto pipe = weak.lock();
                  if (!pipe) return;
                  Subscriptions& self = pipe->subscriptions();
                  if (!answer) return self.refused(number, answer.error().what);
                  if (answer->is_error)
                    return self.refused(number, wire::words_of(answer->payload, pipe->config()));
                  self.closed(number);
                });
  if (!id.empty()) {
    listens_[number] = id;
  } else {
    release(0, number, [](const Subject&) -> Result<bool> { return broken("does not take its input"); });
  }
}

void Subscriptions::dismiss_before(std::uint64_t number) {
  while (!listens_.empty() && listens_.begin()->first < number) {
    const std::string id = listens_.begin()->second;
    listens_.erase(listens_.begin());
    pipe_.dismiss(id);
  }
}

void Subscriptions::acknowledged(json::Value params) {
  const auto meta = params.find("_meta");
  const auto id = meta ? meta->find("io.modelcontextprotocol/subscriptionId") : std::nullopt;
  const auto it = std::ranges::find_if(listens_, [&](const auto& l) { return id && l.second == id->raw(); });
  const auto filter = params.find("notifications");
  if (it == listens_.end() || !filter) return;
  acknowledged_ = it->first;
  since_ = std::chrono::steady_clock::now();
  honoured_.clear();
  take_texts(honoured_, *filter, "resourceSubscriptions", Topic::resource);
  take_texts(honoured_, *filter, "taskIds", Topic::task);
  dismiss_before(acknowledged_);
  set_lists_notify(all_promised_ && std::ranges::all_of(promised_, [&](const std::string& list) {
                     return flag(filter, list);
                   }));
  if (std::exchange(interrupted_, false)) {
    pipe_.tell(Notice::Kind::list_changed);
    for (const auto& [topic, uri] : honoured_) {
      if (topic == Topic::resource)
        pipe_.tell(Notice::Kind::resource_updated, uri, "{\"uri\":" + json::quote(uri) + "}");
    }
  }
  release(0, acknowledged_, [this](const Subject& subject) { return honours(subject); });
}

void Subscriptions::closed(std::uint64_t number) {
  if (number > acknowledged_) return refused(number, "it ended before its acknowledgement");
  if (!listens_.erase(number) || !listens_.empty()) return;
  silence();
  // It may want it again later.
  interrupted_ = true;
  if (std::chrono::steady_clock::now() - since_ > limits::kChildBackoffMax) delay_ = limits::kChildBackoffMin;
  again_.set(delay_, [this] { open_listen(); });
  delay_ = std::min<Duration>(delay_ * 2, limits::kChildBackoffMax);
}

bool Subscriptions::closed_by(const std::string& id) {
  const auto it = std::ranges::find_if(listens_, [&](const auto& listen) { return listen.second == id; });
  if (it == listens_.end()) return false;
  pipe_.forget(id);
  closed(it->first);
  return true;
}

void Subscriptions::refused(std::uint64_t number, const std::string& why) {
  if (!listens_.erase(number)) return;
  spdlog::info("server {}: refuses subscriptions/listen: {}", pipe_.config().document.name, why);
  const auto no = [&why](const Subject&) -> Result<bool> { return broken("refuses subscriptions: " + why); };
  if (!listens_.empty()) {
    // The one before it goes on; what this one had more is to blame.
    for (const Waiter& waiter : waiting_) {
      if (waiter.listen == number) wanted_.erase(waiter.subject);
    }
    return release(number, number, no);
  }
  silence();
  if (wanted_.empty()) return;
  if (wanted_.size() > 1) return ask_each();
  wanted_.clear();
  release(0, number, no);
  if (!promised_.empty()) open_listen();
}

/// One of them is refused: each is asked for by itself, so that the others are heard of again.
void Subscriptions::ask_each() {
  spawn([](std::shared_ptr<MessagePipe> pipe, std::set<Subject> subjects,
           std::vector<Waiter> waiting) -> Task<> {
    for (const Subject& subject : subjects) {
      const auto confirmed =
          co_await pipe->subscriptions().add(subject, std::chrono::steady_clock::now() + kConfirm);
      for (const Waiter& waiter : waiting) {
        if (waiter.subject == subject) waiter.slot->deliver(confirmed);
      }
    }
  }(pipe_.shared_from_this(), std::exchange(wanted_, {}), std::exchange(waiting_, {})));
}

void Subscriptions::silence() {
  acknowledged_ = 0;
  set_lists_notify(false);
}

/// Tells everybody whose subject came with a listen from `first` to `last`.
void Subscriptions::release(std::uint64_t first, std::uint64_t last,
                            const std::function<Result<bool>(const Subject&)>& verdict) {
  std::vector<Waiter> told;
  std::erase_if(waiting_, [&](Waiter& waiter) {
    if (waiter.listen < first || waiter.listen > last) return false;
    told.push_back(std::move(waiter));
    return true;
  });
  for (const Waiter& waiter : told) waiter.slot->deliver(verdict(waiter.subject));
}

void Subscriptions::end() {
  again_.clear();
  listens_.clear();
  silence();
  release(0, last_listen_,
          [this](const Subject&) -> Result<bool> { return broken(pipe_.kind().noun + " has ended"); });
}

void Subscriptions::set_lists_notify(bool now) {
  if (std::exchange(lists_notify_, now) != now && on_change) on_change();
}

}  // namespace sallyport::gateway
