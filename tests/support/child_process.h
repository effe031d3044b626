// A program that a test starts, talks to by lines, and ends.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"

extern char** environ;

namespace pilotlight {

// Killed and reaped by the destructor. Its standard error is the test's.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> arguments) {
    int input[2];
    int output[2];
    CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
    const UniqueFd child_input(input[0]);
    const UniqueFd child_output(output[1]);
    input_ = UniqueFd(input[1]);
    output_ = UniqueFd(output[0]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_input.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDOUT_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    CHECK(posix_spawn(&pid_, argv[0], &actions, /*attrp=*/nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  void WriteLine(const std::string& line) {
    const std::string text = line + "\n";
    CHECK(write(input_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  // The next line without its end; empty when there is none any more.
  std::string ReadLine() {
    std::string line;
    char c = 0;
    while (read(output_.get(), &c, 1) == 1 && c != '\n') line += c;
    return line;
  }

  void Signal(int signal) const { CHECK(kill(pid_, signal) == 0); }

  // Waits until it has ended; its status as waitpid(2) gives it.
  int Wait() {
    int status = 0;
    CHECK(waitpid(std::exchange(pid_, -1), &status, 0) > 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd input_;
  UniqueFd output_;
};

}  // namespace pilotlight
