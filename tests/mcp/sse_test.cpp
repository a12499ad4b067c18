#include "sallyport/mcp/sse.hpp"

#include <doctest/doctest.h>

#include "sallyport/core/limits.hpp"

namespace sallyport::mcp {
namespace {

constexpr std::size_t kBound = 1 << 20;

/// Everything a reader says about a stream, as one text.
struct Heard {
  std::string text;
  void add(const SseEvent& e) {
    text += "[" + e.type + "|" + e.data + "|" + e.last_id + "|" + (e.retry ? std::to_string(*e.retry) : "-") +
            "]";
  }
};

std::string hear(const std::vector<std::string_view>& pieces, std::size_t bound = kBound) {
  SseReader reader(bound);
  Heard heard;
  for (const auto piece : pieces) {
    const auto events = reader.feed(piece);
    if (!events) {
      CHECK(events.error().code == Code::too_large);
      CHECK(reader.dead());
      return heard.text + "DEAD";
    }
    for (const auto& event : *events) heard.add(event);
  }
  return heard.text + (reader.dead() ? "DEAD" : "");
}

struct Row {
  std::string why;
  std::string bytes;
  std::string expected;
};

const std::vector<Row>& streams() {
  static const std::vector<Row> kRows = {
      {"one event", "data: a\n\n", "[message|a||-]"},
      {"carriage returns", "data: a\r\rdata: b\r\r", "[message|a||-][message|b||-]"},
      {"both", "data: a\r\n\r\ndata: b\r\n\r\n", "[message|a||-][message|b||-]"},
      {"mixed ends", "data: a\r\ndata: b\rdata: c\n\r\n", "[message|a\nb\nc||-]"},
      {"type and id", "event: endpoint\nid: 7\ndata: /x\n\n", "[endpoint|/x|7|-]"},
      {"the id stays, the type does not", "event: e\nid: 7\ndata: a\n\ndata: b\n\n",
       "[e|a|7|-][message|b|7|-]"},
      {"an empty id resets", "id: 7\ndata: a\n\nid\ndata: b\n\n", "[message|a|7|-][message|b||-]"},
      {"an id with NUL is ignored", std::string("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", 31),
       "[message|a|1|-][message|b|1|-]"},
      {"priming event", "id: s_0\nretry: 3000\ndata:\n\n", "[message||s_0|3000]"},
      {"an event without data is none", "event: x\nretry: 5\n\ndata: a\n\n", "[message|a||-]"},
      {"an id without data still counts", "id: 3\n\ndata: a\n\n", "[message|a|3|-]"},
      {"comments", ": hi\n\n:\ndata: a\n:x\n\n", "[message|a||-]"},
      {"one space is taken off, not two", "data:  a\ndata:b \n\n", "[message| a\nb ||-]"},
      {"field without colon", "data\ndata\n\n", "[message|\n||-]"},
      {"unknown fields", "foo: 1\nDATA: 2\ndata : 3\n data: 4\ndata: a\n\n", "[message|a||-]"},
      {"retry must be digits", "retry: 1x\nretry: -5\nretry: 99999999999\ndata: a\n\n", "[message|a||-]"},
      {"byte order mark",
       "\xEF\xBB\xBF"
       "data: a\n\n",
       "[message|a||-]"},
      {"a second mark is data of nobody",
       "\xEF\xBB\xBF\xEF\xBB\xBF"
       "data: a\n\n",
       ""},
      {"half an event is none", "data: a\n\ndata: b\n", "[message|a||-]"},
      {"half a line is none", "data: a", ""},
      {"N44 U+2028 and U+2029 stay data",
       "data: a\xE2\x80\xA8"
       "b\xE2\x80\xA9"
       "c\n\n",
       "[message|a\xE2\x80\xA8"
       "b\xE2\x80\xA9"
       "c||-]"},
      {"N44 vertical tab, form feed and U+0085 end no line",
       "data: a\x0B\x0C\xC2\x85"
       "b\n\n",
       "[message|a\x0B\x0C\xC2\x85"
       "b||-]"},
      {"multi-byte text", "data: \xE4\xB8\x96\xF0\x9F\x98\x80\n\n",
       "[message|\xE4\xB8\x96\xF0\x9F\x98\x80||-]"},
      {"an empty type is message", "event:\ndata: a\n\n", "[message|a||-]"},
      {"many blank lines", "\n\n\r\n\rdata: a\n\n\n\n", "[message|a||-]"},
      {"N44 an escaped line end in JSON injects nothing", "data: {\"a\":\"\\nid: 9\\nevent: x\"}\n\n",
       "[message|{\"a\":\"\\nid: 9\\nevent: x\"}||-]"},
  };
  return kRows;
}

TEST_CASE("streams are read as the standard says") {
  for (const auto& row : streams()) {
    CAPTURE(row.why);
    CHECK(hear({row.bytes}) == row.expected);
  }
}

TEST_CASE("N44 every cut of a stream gives the same events") {
  for (const auto& row : streams()) {
    CAPTURE(row.why);
    const std::string_view bytes = row.bytes;
    std::vector<std::string_view> single;
    for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
    CHECK(hear(single) == row.expected);
    for (std::size_t i = 0; i <= bytes.size(); ++i) {
      for (std::size_t j = i; j <= bytes.size(); ++j) {
        CAPTURE(i);
        CAPTURE(j);
        REQUIRE(hear({bytes.substr(0, i), bytes.substr(i, j - i), bytes.substr(j)}) == row.expected);
      }
    }
  }
}

TEST_CASE("a reader knows whether the stream stands in the middle of an event") {
  struct Cut {
    const char* bytes;
    bool mid;
  };
  for (const Cut& cut : {Cut{"", false}, Cut{"d", true}, Cut{"data: a\n", true}, Cut{"data: a\n\n", false},
                         Cut{"data: a\r\n\r\n", false}, Cut{"data: a\r\r", false}, Cut{"id: 1\n\n:", true}}) {
    CAPTURE(cut.bytes);
    SseReader reader(kBound);
    REQUIRE(reader.feed(cut.bytes).has_value());
    CHECK(reader.mid_event() == cut.mid);
  }
}

TEST_CASE("N44 an event over its bound kills the reader, and what came before is still delivered") {
  const std::string small = "data: ok\n\n";
  const std::string rows[] = {
      small + "data: " + std::string(100, 'x') + "\n\n",  // one long line
      small + std::string(100, 'x'),                      // a line without end
      small + "data: 1\ndata: 2\ndata: 3\ndata: 4\ndata: 5\ndata: 6\ndata: 7\ndata: 8\ndata: 9\n",
      small +
          ":\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:"
          "\n",
  };
  for (const auto& bytes : rows) {
    CAPTURE(bytes);
    const std::string_view all = bytes;
    for (std::size_t i = 0; i <= all.size(); ++i) {
      REQUIRE(hear({all.substr(0, i), all.substr(i), ""}, 64) == "[message|ok||-]DEAD");
    }
  }
  SseReader reader(16);
  CHECK(!reader.feed(std::string(17, 'x')));
  CHECK(!reader.feed("\n\ndata: a\n\n"));
  CHECK(!reader.feed(""));
}

TEST_CASE("the bound is exact and counts afresh for each event") {
  const std::string event = "data: 12345\n\n";
  std::string many;
  for (int i = 0; i < 100; ++i) many += event;
  SseReader fits(event.size());
  CHECK(fits.feed(many)->size() == 100);
  CHECK(!fits.dead());
  SseReader narrow(event.size() - 1);
  CHECK(!narrow.feed(many));
}

TEST_CASE("N44 the writer makes exactly one event of a message, whatever the message holds") {
  struct Written {
    std::string data, id, bytes;
  };
  const Written rows[] = {
      {R"({"a":1})", "", "event: message\ndata: {\"a\":1}\n\n"},
      {R"({"a":1})", "s1_5", "event: message\nid: s1_5\ndata: {\"a\":1}\n\n"},
      {"{\r\n \"a\":\n1\r}", "", "event: message\ndata: {   \"a\": 1 }\n\n"},
      {"{\"a\":\"\xE2\x80\xA8\"}", "", "event: message\ndata: {\"a\":\"\xE2\x80\xA8\"}\n\n"},
      {"{}", "a\r\ndata: evil\n\n", "event: message\nid: adata: evil\ndata: {}\n\n"},
  };
  for (const auto& row : rows) {
    CHECK(sse_frame(row.data, row.id) == row.bytes);
    SseReader reader(kBound);
    const auto events = reader.feed(row.bytes);
    REQUIRE(events);
    REQUIRE(events->size() == 1);
    CHECK(events->front().data.size() == row.data.size());
    CHECK(events->front().type == "message");
  }
}

TEST_CASE("a retry counts from its line on, although the event never comes whole") {
  SseReader reader(1024);
  CHECK(reader.feed("retry: 70").value().empty());
  CHECK(!reader.retry());
  CHECK(reader.feed("0\ndata: a").value().empty());
  CHECK(reader.retry() == 700);
}

TEST_CASE("priming and keep-alive frames carry no message") {
  CHECK(sse_priming_frame("s_0", 3000) == "id: s_0\nretry: 3000\ndata:\n\n");
  CHECK(sse_priming_frame("s_0") == "id: s_0\ndata:\n\n");
  CHECK(hear({sse_priming_frame("s_0", 3000), kSseKeepAliveFrame, sse_frame("{}", "s_1")}) ==
        "[message||s_0|3000][message|{}|s_1|-]");
}

}  // namespace
}  // namespace sallyport::mcp
