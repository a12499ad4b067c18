#include "rules.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "calls.hpp"

namespace disk_shim {
namespace {

constexpr int kRules = 32;

struct Rule {
  Op op;
  char part[128];
  int error;
  long skip, count;
  long long bytes;
};

Rule rules[kRules];
int rule_count = 0;
timespec rules_read{};
ino_t rules_inode = 0;

int number_of(const char* name) {
  if (::strcmp(name, "ENOSPC") == 0) return ENOSPC;
  if (::strcmp(name, "EIO") == 0) return EIO;
  if (::strcmp(name, "EROFS") == 0) return EROFS;
  if (::strcmp(name, "ENFILE") == 0) return ENFILE;
  return ::atoi(name);
}

bool read_rule(char* line, Rule& rule) {
  char op[16] = "", part[128] = "", error[32] = "";
  long skip = 0, count = LONG_MAX;
  if (::sscanf(line, "%15s %127s %31s %ld %ld", op, part, error, &skip, &count) < 3) return false;
  static const char* const names[] = {"write", "sync", "truncate", "open", "any", "space"};
  for (int i = 0; i < 6; ++i) {
    if (::strcmp(op, names[i]) != 0) continue;
    rule.op = static_cast<Op>(i);
    ::strcpy(rule.part, part);
    rule.error = rule.op == Op::space ? ENOSPC : number_of(error);
    rule.bytes = rule.op == Op::space ? ::atoll(error) : 0;
    rule.skip = skip;
    rule.count = count;
    return true;
  }
  return false;
}

void refresh_rules() {
  struct stat info{};
  if (!rules_file() || ::stat(rules_file(), &info) != 0) {
    rule_count = 0;
    rules_inode = 0;
    return;
  }
  if (info.st_ino == rules_inode && info.st_mtim.tv_sec == rules_read.tv_sec &&
      info.st_mtim.tv_nsec == rules_read.tv_nsec)
    return;
  rules_inode = info.st_ino;
  rules_read = info.st_mtim;
  rule_count = 0;
  const int fd = real().open(rules_file(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[4096];
  const ssize_t n = ::read(fd, text, sizeof text - 1);
  real().close(fd);
  if (n <= 0) return;
  text[n] = '\0';
  char* rest = nullptr;
  for (char* line = ::strtok_r(text, "\n", &rest); line && rule_count < kRules;
       line = ::strtok_r(nullptr, "\n", &rest)) {
    if (read_rule(line, rules[rule_count])) ++rule_count;
  }
}

void fired(const Rule& rule, const char* path) {
  char name[PATH_MAX], line[PATH_MAX + 64];
  ::snprintf(name, sizeof name, "%s.fired", rules_file());
  const int fd = real().open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const int n = ::snprintf(line, sizeof line, "%d %s\n", static_cast<int>(rule.op), path);
  [[maybe_unused]] const ssize_t done = real().write(fd, line, static_cast<size_t>(n));
  real().close(fd);
}

}  // namespace

int fault(Op op, const char* path, size_t* room) {
  refresh_rules();
  for (int i = 0; i < rule_count; ++i) {
    Rule& rule = rules[i];
    if (!::strstr(path, rule.part)) continue;
    if (rule.op == Op::space) {
      if (op != Op::write || !room) continue;
      if (rule.bytes <= 0) {
        fired(rule, path);
        return ENOSPC;
      }
      if (static_cast<long long>(*room) > rule.bytes) *room = static_cast<size_t>(rule.bytes);
      rule.bytes -= static_cast<long long>(*room);
      continue;
    }
    if (rule.op != op && rule.op != Op::any) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (rule.count <= 0) continue;
    --rule.count;
    fired(rule, path);
    return rule.error;
  }
  return 0;
}

void gave_back(const char* path, long long bytes) {
  refresh_rules();
  for (int i = 0; i < rule_count; ++i) {
    if (rules[i].op == Op::space && ::strstr(path, rules[i].part)) rules[i].bytes += bytes;
  }
}

}  // namespace disk_shim
