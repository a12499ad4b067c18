#include "../../src/gateway/frame_splitter.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace sallyport;

TEST_CASE("blocks of an event stream come out as they are, wherever the bytes were cut") {
  const std::vector<std::string> blocks{
      "data: a\n\n", "event: x\r\ndata: b\r\n\r\n", "data: c\rdata: d\r\r", ":\n\n", "\n", "data: e\n\r\n"};
  std::string all;
  for (const auto& block : blocks) all += block;
  all += "data: unfinished\n";
  for (std::size_t step = 1; step <= all.size(); ++step) {
    CAPTURE(step);
    gateway::FrameSplitter splitter(1000);
    std::vector<std::string> out;
    for (std::size_t at = 0; at < all.size(); at += step) {
      CHECK(splitter
                .feed(std::string_view(all).substr(at, step),
                      [&](std::string_view block) {
                        out.emplace_back(block);
                        return true;
                      })
                .has_value());
    }
    CHECK(out == blocks);
    CHECK(splitter.rest() == "data: unfinished\n");
  }
}

TEST_CASE("a block that never ends is refused when it is longer than allowed") {
  gateway::FrameSplitter splitter(10);
  const auto ignore = [](std::string_view) { return true; };
  CHECK(splitter.feed("data: 1234", ignore).has_value());
  CHECK(splitter.feed("5", ignore).error().code == Code::upstream_broken);
}
