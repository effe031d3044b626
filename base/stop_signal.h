// One-way "please end" flag that a thread can poll(2) on beside its other descriptors.
#pragma once

#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace pilotlight {

// Thread-safe. Stop() may also be called from a signal handler.
class StopSignal {
 public:
  StopSignal();

  void Stop();
  bool stopped() const;
  // Waits until Stop() or until `timeout` has passed on the monotonic clock; true when stopped.
  bool WaitFor(absl::Duration timeout) const;
  // Readable once stopped. Never read from it.
  int fd() const { return event_fd_.get(); }

 private:
  UniqueFd event_fd_;
};

// Makes SIGINT and SIGTERM call Stop() on `signal`, which must outlive the process's signal handling.
// A second signal ends the process at once.
void StopOnTerminationSignals(StopSignal& signal);

// SIGHUP as a descriptor: readable once the signal has come, until HangupSignal::Take() was called.
class HangupSignal {
 public:
  // Blocks the signal in this thread and in those that it starts later. REQUIRES: no other thread runs.
  HangupSignal();

  int fd() const { return signal_fd_.get(); }
  // False when the signal has not come since the last call.
  bool Take() const;

 private:
  UniqueFd signal_fd_;
};

}  // namespace pilotlight
