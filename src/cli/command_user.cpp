/// sallyport user add | password | list | remove | grants | revoke.

#include <termios.h>
#include <unistd.h>

#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/core/secret.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

/// While it lives, what is typed is not shown.
class Unseen {
 public:
  explicit Unseen(bool terminal) : hides_(terminal && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!hides_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    hides_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~Unseen() {
    if (hides_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;

 private:
  termios before_{};
  bool hides_;
};

Secret line_of(Invocation& invocation, const char* prompt, bool terminal) {
  std::string line;
  if (terminal) invocation.err << prompt << std::flush;
  {
    const Unseen unseen(terminal);
    // Longer than any password: whatever comes without an end is refused as one.
    for (char c = 0; line.size() <= limits::kPasswordBytes && invocation.in.get(c) && c != '\n';) line += c;
  }
  if (terminal) invocation.err << '\n';
  if (line.ends_with('\r')) line.pop_back();
  return Secret(std::move(line));
}

/// Asks twice at a terminal; elsewhere the first line of standard input is the password.
Result<Secret> ask_password(Invocation& invocation) {
  const bool terminal = &invocation.in == &std::cin && ::isatty(STDIN_FILENO) == 1;
  Secret password = line_of(invocation, "Password: ", terminal);
  if (password.empty())
    return client_error(Code::bad_request, "no password came; it is read from standard input");
  if (terminal && line_of(invocation, "Once more: ", terminal).reveal() != password.reveal())
    return client_error(Code::bad_request, "the two are not the same");
  return password;
}

int save(Invocation& invocation, const std::string& name, bool is_new) {
  const auto password = ask_password(invocation);
  if (!password) return invocation.failed(password.error());
  const auto result =
      invocation.run("user.save", {{"name", name}, {"password", password->reveal()}, {"new", is_new}},
                     is_new ? Backend::Wants::created : Backend::Wants::existing);
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  invocation.out << (is_new ? "added " : "new password for ") << printable(name) << '\n';
  if (is_new)
    invocation.err << fmt::format(
        "Clients can now log {} in at the gateway. What user:{} may use is for Policy documents to say.\n",
        printable(name), printable(name));
  return kDone;
}

std::string time_of(const Json& row, const char* key) {
  const auto it = row.find(key);
  return it != row.end() && it->is_number_integer() ? time_text(it->get<std::int64_t>()) : std::string();
}

int show_users(Invocation& invocation) {
  const auto result = invocation.run("user.list", Json::object());
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("users"));
    return kDone;
  }
  Table table({"NAME", "TEAMS", "GRANTS", "CREATED", "PASSWORD FROM"});
  for (const auto& row : result->at("users"))
    table.add({row.value("name", ""),
               fmt::format("{}", fmt::join(row.value("teams", std::vector<std::string>()), ", ")),
               std::to_string(row.value("grants", 0)), time_of(row, "created"), time_of(row, "changed")});
  if (table.empty()) {
    invocation.err << "there are no users yet; `sallyport user add NAME` makes one\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

int show_grants(Invocation& invocation, const std::string& user) {
  const auto result = invocation.run("grant.list", {{"user", user}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("grants"));
    return kDone;
  }
  Table table({"ID", "USER", "CLIENT", "ENDPOINT", "STATE", "SINCE", "LAST RENEWED"});
  for (const auto& row : result->at("grants")) {
    const std::string why = row.value("why", "");
    table.add({row.value("id", ""), row.value("user", ""), row.value("client", ""), row.value("resource", ""),
               row.value("state", "") + (why.empty() ? "" : " (" + why + ")"), time_of(row, "created"),
               time_of(row, "renewed")});
  }
  if (table.empty()) {
    invocation.err << "nobody has granted anything to a client\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

int simply(Invocation& invocation, const char* operation, const Json& arguments, const char* said,
           const std::string& what) {
  const auto result = invocation.run(operation, arguments);
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
  } else {
    invocation.out << said << printable(what) << '\n';
  }
  return kDone;
}

}  // namespace

void add_user(CLI::App& app, Invocation& invocation) {
  auto* user = app.add_subcommand("user", "People who sign in at the gateway itself");
  user->require_subcommand(1);

  const auto with_name = [&](const char* word, const char* what, auto act) {
    auto* command = user->add_subcommand(word, what);
    auto name = std::make_shared<std::string>();
    command->add_option("NAME", *name, "As it is typed at sign-in: alice, or alice@example.com")->required();
    command->callback([&invocation, name, act] {
      invocation.action = [&invocation, name, act] { return act(invocation, *name); };
    });
  };
  with_name("add", "Add somebody; the password is asked for, or is the first line of standard input",
            [](Invocation& i, const std::string& name) { return save(i, name, true); });
  with_name("password", "Set another password, which ends all logins of before",
            [](Invocation& i, const std::string& name) { return save(i, name, false); });
  with_name("remove", "Remove somebody, and end what was granted",
            [](Invocation& i, const std::string& name) {
              return simply(i, "user.remove", {{"name", name}}, "removed ", name);
            });

  user->add_subcommand("list", "Show users")->callback([&invocation] {
    invocation.action = [&invocation] { return show_users(invocation); };
  });

  auto* grants = user->add_subcommand("grants", "Show what users let clients do");
  auto whose = std::make_shared<std::string>();
  grants->add_option("NAME", *whose, "Of this user only");
  grants->callback([&invocation, whose] {
    invocation.action = [&invocation, whose] { return show_grants(invocation, *whose); };
  });

  auto* revoke = user->add_subcommand("revoke", "End a grant from the next request on");
  auto id = std::make_shared<std::string>();
  revoke->add_option("ID", *id, "As `sallyport user grants` shows it")->required();
  revoke->callback([&invocation, id] {
    invocation.action = [&invocation, id] {
      return simply(invocation, "grant.end", {{"id", *id}}, "ended ", *id);
    };
  });
}

}  // namespace sallyport::cli
