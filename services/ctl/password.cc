#include "services/ctl/password.h"

#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "services/ctl/failure.h"

namespace parley::ctl {
namespace {

class WithoutEcho {
 public:
  WithoutEcho() {
    tcgetattr(STDIN_FILENO, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~WithoutEcho() { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;

 private:
  termios before_{};
};

std::string ReadLine() {
  std::string line;
  std::getline(std::cin, line);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

std::string Ask(const std::string& prompt) {
  std::cerr << prompt << std::flush;
  const WithoutEcho quiet;
  std::string password = ReadLine();
  std::cerr << '\n';
  return password;
}

}  // namespace

std::string ReadPassword(const std::string& jid) {
  std::string password;
  if (isatty(STDIN_FILENO) == 0) {
    password = ReadLine();
  } else {
    password = Ask("Password for " + jid + ": ");
    if (Ask("Again: ") != password) throw Failure(kUsage, "the two passwords differ: nothing was changed");
  }
  if (password.empty()) throw Failure(kUsage, "no password given: type one, pipe one in, or use --password");
  return password;
}

}  // namespace parley::ctl
