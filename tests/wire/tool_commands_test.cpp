// The commands about definitions, as a person calls them on a gateway that runs: tool list | diff | approve |
// reject, lock.
#include <filesystem>

#include "cli/command_line.hpp"
#include "gateway_fixture.hpp"

using namespace sallyport::testing;
using sallyport::cli::testing::CommandLine;
using sallyport::cli::testing::Outcome;

namespace {

Json tool(const std::string& name, const std::string& description, const Json& schema) {
  return {{"name", name}, {"description", description}, {"inputSchema", schema}};
}

Json object(const Json& properties, const Json& required = Json::array()) {
  return {{"type", "object"}, {"properties", properties}, {"required", required}};
}

const Json kText = {{"text", {{"type", "string"}}}};

/// A pinned server that keeps arguments, one that is followed, and the commands.
struct Place {
  FakeMcp up{FakeMcp::Era::modern, Json::array({tool("echo", "Says it again", object(kText)),
                                                tool("plain", "Stays", object(Json::object()))})};
  FakeMcp second{FakeMcp::Era::legacy, Json::array({tool("other", "Stays too", object(Json::object()))})};
  GatewayFixture gateway{server_document("up", up.url(), "trust: pinned\ncapture: full\n") +
                         server_document("second", second.url()) + kDefaultPolicy +
                         "---\nkind: VirtualServer\nname: small\ntools: [{from: second}]\n"};
  CommandLine line;

  Place() { CHECK(gateway.modern("tools/list").json()["result"]["tools"].size() == 3); }

  Outcome operator()(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--data", gateway.directory.path});
    return line.bare(arguments);
  }
  void change(const Json& echo) {
    up.set_tools(Json::array({echo, tool("plain", "Stays", object(Json::object()))}));
    CHECK((*this)({"server", "test", "up"}).code == 0);
  }
  void call(const Json& arguments) {
    CHECK(gateway.modern("tools/call", {{"name", "up__echo"}, {"arguments", arguments}}).status == 200);
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a person sees what changed, what it would break, and serves exactly what was seen") {
  Place place;
  for (int i = 0; i < 3; ++i) place.call({{"text", "hello"}});
  place.call({{"text", "hello"}, {"loud", true}});
  CHECK(place.gateway.recorded("outcome", {{"status", "ok"}}, 4));

  place.change(tool("echo", "Says it \x1b[31mred\nagain",
                    object({{"text", {{"type", "string"}}}, {"loud", {{"type", "string"}}}}, {"text"})));
  const Outcome list = place({"tool", "list", "--server", "up"});
  CHECK(list.code == 0);
  CHECK(has(list.out, "up/echo"));
  CHECK(has(list.out, "waiting"));
  CHECK(has(list.out, "contains a terminal escape"));
  const Outcome diff = place({"tool", "diff", "up/echo"});
  CHECK(diff.code == 0);
  CAPTURE(diff.out);
  CHECK(has(diff.out, "/description"));
  CHECK(has(diff.out, "- \"Says it again\""));
  CHECK(has(diff.out, "\\u001b[31mred\\nagain"));
  CHECK(has(diff.out, "for those who call it: breaking"));
  CHECK(has(diff.out, "\"text\" is required now"));
  CHECK(has(diff.out, "1 of 4 recorded calls would now fail; such as /loud: type"));
  for (const char c : list.out + diff.out + diff.err) CHECK((c == '\n' || (c >= 0x20 && c < 0x7f)));
  const Json json = place({"-o", "json", "tool", "diff", "up/echo"}).json();
  CHECK(json["recorded"]["calls"] == 4);
  CHECK(json["recorded"]["failing"] == 1);
  CHECK(json["schema"]["change"] == "breaking");

  // The command that the difference ends with is the approval of what it showed.
  const auto at = diff.err.find("up/echo@");
  REQUIRE(at != std::string::npos);
  const std::string named = diff.err.substr(at, std::string("up/echo@").size() + 32);
  place.change(tool("echo", "Something else again", object(kText)));
  const Outcome stale = place({"tool", "approve", named});
  CHECK(stale.code == 1);
  CHECK(has(stale.err, "tool diff"));
  CHECK(place.gateway.modern("tools/list").json()["result"]["tools"].size() == 2);
  place.change(tool("echo", "Says it \x1b[31mred\nagain",
                    object({{"text", {{"type", "string"}}}, {"loud", {{"type", "string"}}}}, {"text"})));
  CHECK(place({"tool", "approve", named}).out.starts_with("approved tool up/echo "));
  CHECK(place.gateway.modern("tools/list").json()["result"]["tools"].size() == 3);
  CHECK(place({"tool", "reject", "up/echo"}).code == 0);
  CHECK(place.gateway.modern("tools/list").json()["result"]["tools"].size() == 2);
}

TEST_CASE("where arguments were not kept, the difference says so") {
  Place place;
  CHECK(place.gateway.apply(server_document("up", place.up.url(), "trust: pinned\n")).has_value());
  place.call({{"text", "hello"}});
  CHECK(place.gateway.recorded("outcome", {{"status", "ok"}}));
  place.change(tool("echo", "Says it again", object({{"text", {{"type", "integer"}}}})));
  CHECK(has(place({"tool", "diff", "up/echo"}).out, "none has its arguments (1 without)"));
}

TEST_CASE("everything of a server that waits is approved at once, and wrong words are refused as such") {
  Place place;
  place.change(tool("echo", "Changed", object(kText)));
  const Outcome done = place({"tool", "approve", "--server", "up", "--all"});
  CHECK(done.code == 0);
  CHECK(has(done.out, "approved tool up/echo"));
  CHECK(!has(done.out, "plain"));
  CHECK(has(place({"tool", "approve", "--server", "up", "--all"}).err, "nothing of up waits"));
  CHECK(place({"-o", "json", "tool", "approve", "--server", "up", "--all"}).json()["approved"].empty());
  CHECK(place({"tool", "approve"}).code == 2);
  CHECK(place({"tool", "approve", "--all"}).code == 2);
  CHECK(place({"tool", "approve", "up/echo", "--server", "up"}).code == 2);
  CHECK(place({"tool", "approve", "up/nosuch"}).code == 1);
  CHECK(place({"tool", "approve", "up/echo@00000000000000000000000000000000"}).code == 1);
  // As many digits as tables show.
  CHECK(has(place({"tool", "approve", "up/echo@000000000000"}).err,
            "32 digits of its hash, as `sallyport tool diff up/echo`"));
  CHECK(place({"tool", "list", "--server", "nosuch"}).code == 1);
  CHECK(place({"tool", "diff", "nosuch"}).code == 1);
}

TEST_CASE("a lock has one line for each exported tool, and its check says what differs") {
  Place place;
  const std::string file = place.line.directory.beside("mcp.lock");
  const Outcome written = place({"lock", file});
  CHECK(written.code == 0);
  CHECK(has(written.out, "3 tools of /mcp"));
  const std::string text = sallyport::store::DataDirectory::bytes_of(file);
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) names.push_back(line.substr(0, line.find(" sha256:")));
  }
  CHECK(names == std::vector<std::string>{"second__other", "up__echo", "up__plain"});
  CHECK(place({"lock", "-"}).out == text);
  const std::string link = place.line.directory.beside("link.lock");
  std::filesystem::create_symlink("mcp.lock", link);
  CHECK(place({"lock", link}).code == 0);
  CHECK(std::filesystem::is_symlink(link));
  CHECK(place({"lock", "--check", file}).code == 0);
  CHECK(place({"-o", "json", "lock", "--check", file}).json()["same"] == true);

  place.change(tool("echo", "Changed", object(kText)));
  const Outcome differs = place({"lock", "--check", file});
  CHECK(differs.code == 1);
  CHECK(has(differs.out, "- up__echo sha256:"));
  CHECK(place({"-o", "json", "lock", "--check", file}).json()["removed"][0]["name"] == "up__echo");
  REQUIRE(place({"tool", "approve", "up/echo"}).code == 0);
  const Outcome changed = place({"lock", "--check", file});
  CHECK(changed.code == 1);
  CHECK(has(changed.out, "+ up__echo sha256:"));
  CHECK(place({"-o", "json", "lock", "--check", file}).json()["changed"].size() == 1);

  // A file of one virtual server says so, and is checked against that one.
  CHECK(place({"lock", file, "--virtual-server", "small"}).code == 0);
  CHECK(place({"lock", "--check", file}).code == 0);
  CHECK(place({"lock", "--check", "--virtual-server", "nosuch", file}).code == 1);
  CHECK(place({"lock", file}).code == 0);
  CHECK(has(place({"lock", "--check", file, "--virtual-server", "small"}).err,
            "mcp.lock --virtual-server small`"));
  place.line.write("broken.lock", "up__echo md5:1 up/echo\n");
  CHECK(has(place({"lock", "--check", place.line.directory.beside("broken.lock")}).err, "broken.lock:1:"));
  CHECK(place({"lock", "--check", place.line.directory.beside("nosuch.lock")}).code == 1);
  CHECK(place({"lock", place.line.directory.beside("nowhere/mcp.lock")}).code == 1);
}
