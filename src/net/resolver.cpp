#include "resolver.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "sallyport/core/executor.hpp"
#include "sallyport/core/limits.hpp"
#include "shard_impl.hpp"

namespace sallyport::net {
namespace {

using Addresses = Result<std::vector<SocketAddress>>;

Failure unresolved(const std::string& host, std::string_view why) {
  return fail(Code::upstream_unreachable, Blame::upstream, "cannot resolve " + host + ": " + std::string(why),
              true);
}

/// Eight look-ups at once, one of names that strangers named; another waits. Never destroyed: a name server
/// that does not answer must not hold up our exit.
Executor& dns(NamedBy named_by) {
  if (named_by == NamedBy::stranger) {
    static auto* strangers = new Executor("dns-strangers", 1, limits::kStrangersNames);
    return *strangers;
  }
  static auto* executor = new Executor("dns", 8, limits::kExecutorQueue);
  return *executor;
}

Addresses ask_system(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int rc = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list); rc != 0) {
    return unresolved(host, gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  std::vector<SocketAddress> out;
  for (const addrinfo* a = list; a; a = a->ai_next) {
    if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(a->ai_addr, a->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    const auto* bytes = reinterpret_cast<const unsigned char*>(a->ai_addr);
    std::string shown =
        a->ai_family == AF_INET6 ? "[" + std::string(text.data()) + "]" : std::string(text.data());
    out.push_back({{bytes, bytes + a->ai_addrlen}, shown + ":" + std::to_string(port)});
  }
  return out;
}

/// What stands behind the names; only tests change it.
struct Source {
  std::mutex mutex;  // the executor's threads read it while a test's thread writes
  std::shared_ptr<const Resolver> resolver = std::make_shared<const Resolver>(ask_system);
  std::atomic<std::uint64_t> version{0};
};
Source& source() {
  static Source s;
  return s;
}

/// Where an executor's thread finds the shard, as long as there is one.
struct Home {
  /// Runs `work` on the shard if there still is one. A full mailbox is waited for: others may wait for the
  /// answer.
  void tell(const std::function<void()>& work) {
    for (;;) {
      {
        const std::lock_guard lock(mutex);
        if (shard == nullptr || shard->post(work)) return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  std::mutex mutex;  // the shard ends on another thread while a name server still thinks
  Shard* shard;
};

}  // namespace

/// A shard's memory of names. Ends with it.
class Names {
 public:
  Names(Shard& shard, NamedBy named_by) : named_by_(named_by), home_(std::make_shared<Home>()) {
    home_->shard = &shard;
  }
  ~Names() {
    const std::lock_guard lock(home_->mutex);
    home_->shard = nullptr;
  }
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  void wait(const std::shared_ptr<Lookup>& lookup, const std::string& host, std::uint16_t port) {
    const auto now = std::chrono::steady_clock::now();
    const std::uint64_t version = source().version.load();
    const std::string key = host + ":" + std::to_string(port);
    auto it = entries_.find(key);
    if (it != entries_.end() && (it->second.until <= now || it->second.version != version)) {
      entries_.erase(it);
      it = entries_.end();
    }
    if (it != entries_.end() && it->second.known) {
      lookup->found.deliver(*it->second.known);
      return;
    }
    if (it == entries_.end()) {
      make_room(now);
      // An answer that never comes back must not block the name for ever: after the deadline it is asked
      // again.
      it = entries_.emplace(key, Entry{.version = version, .until = now + limits::kDnsDeadline}).first;
      if (!ask(it->first, host, port, version)) {
        entries_.erase(it);
        lookup->found.deliver(fail(Code::limited, Blame::us, "too many names wait to be resolved", true));
        return;
      }
    }
    it->second.waiting.push_back(lookup);
    lookup->limit.set(limits::kDnsDeadline, [weak = std::weak_ptr(lookup), host] {
      if (const auto l = weak.lock())
        l->found.deliver(unresolved(host, "the name server did not answer in time"));
    });
  }

 private:
  struct Entry {
    std::uint64_t version = 0;
    SteadyTime until;
    std::optional<Addresses> known{};
    std::vector<std::weak_ptr<Lookup>> waiting{};
  };

  void make_room(SteadyTime now) {
    if (entries_.size() < kResolvedNames) return;
    std::erase_if(entries_, [&](const auto& e) { return e.second.until <= now; });
    if (entries_.size() >= kResolvedNames)
      std::erase_if(entries_, [](const auto& e) { return e.second.known.has_value(); });
  }

  bool ask(const std::string& key, const std::string& host, std::uint16_t port, std::uint64_t version) {
    return dns(named_by_).run([this, home = home_, key, host, port, version] {
      std::shared_ptr<const Resolver> resolver;
      {
        const std::lock_guard lock(source().mutex);
        resolver = source().resolver;
      }
      Addresses found = (*resolver)(host, port);
      home->tell([this, key, version, found = std::move(found)] { arrived(key, version, found); });
    });
  }

  void arrived(const std::string& key, std::uint64_t version, const Addresses& found) {
    const auto it = entries_.find(key);
    if (it == entries_.end() || it->second.version != version || it->second.known) return;
    it->second.known = found;
    it->second.until =
        std::chrono::steady_clock::now() + (found ? Duration(kResolvedFor) : Duration(kUnresolvedFor));
    const auto waiting = std::exchange(it->second.waiting, {});
    for (const auto& weak : waiting) {
      if (const auto lookup = weak.lock()) {
        lookup->limit.clear();
        lookup->found.deliver(found);
      }
    }
  }

  const NamedBy named_by_;
  std::shared_ptr<Home> home_;
  std::map<std::string, Entry> entries_;
};

std::shared_ptr<Lookup> look_up(Shard& shard, const std::string& host, std::uint16_t port, NamedBy named_by) {
  auto lookup = std::make_shared<Lookup>(shard);
  if (auto literal = address_of(host, port)) {
    lookup->found.deliver(std::vector<SocketAddress>{std::move(*literal)});
  } else {
    auto& names = shard.impl().names.at(static_cast<std::size_t>(named_by));
    if (!names) names = std::make_shared<Names>(shard, named_by);
    names->wait(lookup, host, port);
  }
  return lookup;
}

Task<Result<std::vector<SocketAddress>>> resolve(Shard& shard, Url url, bool allow_private,
                                                 NamedBy named_by) {
  const auto lookup = look_up(shard, url.host, url.port, named_by);
  auto found = co_await lookup->found;
  if (!found) co_return Failure(std::move(found.error()));
  co_return permitted(std::move(*found), url, allow_private);
}

void set_resolver_for_test(Resolver resolver) {
  const std::lock_guard lock(source().mutex);
  source().resolver = std::make_shared<const Resolver>(resolver ? std::move(resolver) : Resolver(ask_system));
  ++source().version;
}

}  // namespace sallyport::net
