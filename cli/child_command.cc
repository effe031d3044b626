#include "cli/child_command.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace pilotlight::cli {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> OpenPipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// In the child, after fork(): only async-signal-safe functions.
[[noreturn]] void Become(char* const* arguments, int release_fd, int error_fd, bool output_to_errors) {
  // Ends when the parent closes its end, also by dying.
  char byte = 0;
  const ssize_t count = ::read(release_fd, &byte, 1);
  if (count != 1) ::_exit(127);  // not released, but abandoned
  if (output_to_errors) ::dup2(STDERR_FILENO, STDOUT_FILENO);
  ::execvp(arguments[0], arguments);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_fd, &error, sizeof(error));
  ::_exit(error == ENOENT ? 127 : 126);
}

}  // namespace

absl::StatusOr<ChildCommand> ChildCommand::Start(const std::vector<std::string>& arguments,
                                                 bool output_to_errors) {
  CHECK(!arguments.empty());
  ASSIGN_OR_RETURN(Pipe release, OpenPipe());
  ASSIGN_OR_RETURN(Pipe error, OpenPipe());
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  pointers.reserve(copies.size() + 1);
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  // Fails on no kernel of the last ten years; orphans would only be left out.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

  const pid_t pid = ::fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) {
    release.write.Reset();
    Become(pointers.data(), release.read.get(), error.write.get(), output_to_errors);
  }
  ChildCommand child(pid);
  child.release_ = std::move(release.write);
  child.error_ = std::move(error.read);
  child.program_ = arguments.front();
  return child;
}

ChildCommand::ChildCommand(ChildCommand&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      release_(std::move(other.release_)),
      error_(std::move(other.error_)),
      program_(std::move(other.program_)),
      wait_status_(other.wait_status_) {}

ChildCommand::~ChildCommand() {
  if (pid_ < 0 || !release_.valid()) return;
  release_.Reset();
  Wait();
}

void ChildCommand::Release() {
  if (!release_.valid()) return;
  const char byte = 1;
  // Fails only when the child is dead, which Wait() tells.
  [[maybe_unused]] const ssize_t written = ::write(release_.get(), &byte, 1);
  release_.Reset();
}

absl::Status ChildCommand::WaitUntilRunning() {
  int error = 0;
  ssize_t count;
  do {
    count = ::read(error_.get(), &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  if (count != sizeof(error)) return absl::OkStatus();
  return absl::ErrnoToStatus(error, program_);
}

bool ChildCommand::HasEnded() {
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended <= 0) return wait_status_.has_value();
    if (ended == pid_) wait_status_ = status;
  }
}

int ChildCommand::Wait() {
  while (!wait_status_) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, 0);
    if (ended == pid_) wait_status_ = status;
    if (ended < 0 && errno != EINTR) return 1;  // somebody else has taken its end
  }
  if (WIFSIGNALED(*wait_status_)) return 128 + WTERMSIG(*wait_status_);
  return WEXITSTATUS(*wait_status_);
}

void ChildCommand::Signal(int number) const { ::kill(pid_, number); }

}  // namespace pilotlight::cli
