#include "base/stop_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/check.h"

namespace pilotlight {
namespace {

std::atomic<StopSignal*> termination_target{nullptr};

void HandleTermination(int signal_number) {
  StopSignal* const target = termination_target.load();
  if (target == nullptr || target->stopped()) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
    return;
  }
  target->Stop();
}

}  // namespace

StopSignal::StopSignal() : event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // eventfd(2) fails only when the process or the system is out of descriptors; nothing works then.
  CHECK(event_fd_.valid());
}

void StopSignal::Stop() {
  const int saved_errno = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_fd_.get(), &one, sizeof(one));
  errno = saved_errno;
}

bool StopSignal::stopped() const { return WaitFor(absl::ZeroDuration()); }

bool StopSignal::WaitFor(absl::Duration timeout) const {
  timespec limit = absl::ToTimespec(timeout < absl::ZeroDuration() ? absl::ZeroDuration() : timeout);
  const bool forever = timeout == absl::InfiniteDuration();
  pollfd waiter{event_fd_.get(), POLLIN, 0};
  // Linux's ppoll(2) system call updates the limit, glibc's wrapper does not: an interrupted wait restarts
  // in full only when a signal without SA_RESTART arrives, which ends in Stop() here.
  int ready;
  do {
    ready = ::ppoll(&waiter, 1, forever ? nullptr : &limit, nullptr);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

void StopOnTerminationSignals(StopSignal& signal) {
  termination_target.store(&signal);
  struct sigaction action {};
  action.sa_handler = HandleTermination;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

HangupSignal::HangupSignal() {
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  // Neither fails for a valid signal, but for want of descriptors; nothing works then.
  CHECK(::pthread_sigmask(SIG_BLOCK, &hangup, nullptr) == 0);
  signal_fd_ = UniqueFd(::signalfd(-1, &hangup, SFD_CLOEXEC | SFD_NONBLOCK));
  CHECK(signal_fd_.valid());
}

bool HangupSignal::Take() const {
  signalfd_siginfo info;
  return ::read(signal_fd_.get(), &info, sizeof(info)) == sizeof(info);
}

}  // namespace pilotlight
