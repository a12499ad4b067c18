// Whose connections to an upstream are whose, and who has to make room there.
#include "../../src/gateway/isolation.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace sallyport::gateway;

namespace {

/// "alice*8" is eight of alice's in use; "bob:3" one of bob's that rests and was used at 3.
std::vector<Held> held(const std::vector<const char*>& words) {
  std::vector<Held> out;
  for (const std::string_view word : words) {
    const auto at = word.find_first_of("*:");
    const int number = std::atoi(word.data() + at + 1);
    const Held one{.holder = word.substr(0, at),
                   .rests = word[at] == ':',
                   .used = SteadyTime(std::chrono::seconds(number))};
    out.insert(out.end(), word[at] == '*' ? static_cast<std::size_t>(number) : 1, one);
  }
  return out;
}

}  // namespace

TEST_CASE("who has three quarters of the places gives up one, else whoever has most, and none in use") {
  constexpr std::size_t kMost = 8;
  struct Row {
    const char* why;
    std::vector<const char*> held;
    const char* answer;  ///< to alice: "", which one ends, or the error
  };
  const Row rows[] = {
      {"an empty house", {}, ""},
      {"a place is left", {"alice*5", "bob*2"}, ""},
      {"her share is used", {"alice*6"}, "client: the caller has 6 rooms in use and may have no more"},
      {"her share, one of it rests", {"alice*5", "alice:1"}, "5"},
      {"the one of hers that rests longest", {"alice:3", "alice:2", "alice:4", "alice*3", "bob:1"}, "1"},
      {"all in use", {"alice*2", "bob*6"}, "us: all 8 rooms are in use"},
      {"only hers rests", {"alice:1", "bob*6", "carol*1"}, "0"},
      {"whoever has most", {"alice:1", "bob*2", "bob:7", "bob:6", "carol:1", "dave:1", "erin:1"}, "4"},
      {"of equals, what rests longest",
       {"bob:4", "bob:5", "carol:2", "carol:6", "dave*2", "erin:1", "fay:1"},
       "2"},
      {"whoever has most of what rests", {"bob*5", "carol:2", "carol:1", "dave:0"}, "6"},
      {"more than there are places, which a change of limits leaves",
       {"bob*6", "carol:1", "carol:2", "dave*4"},
       "6"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const auto room = make_room("alice", held(row.held), kMost, "rooms");
    if (room) {
      CHECK((*room ? std::to_string(**room) : "") == row.answer);
    } else {
      CHECK(room.error().code == Code::limited);
      CHECK(room.error().retry);
      CHECK((room.error().blame == Blame::client ? "client: " : "us: ") + room.error().what == row.answer);
    }
  }
}

TEST_CASE("the holder is found again in the name of what is a principal's or a session's") {
  CHECK(holder_of(store::Isolation::principal, "user:Jane Doe") == "user:Jane Doe");
  CHECK(holder_of(store::Isolation::session, "c2Vzc2lvbg user:Jane Doe") == "user:Jane Doe");
  CHECK(holder_of(store::Isolation::session, " user:Jane Doe") == "user:Jane Doe");
  CHECK(holder_of(store::Isolation::shared, "") == "");
}
