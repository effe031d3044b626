// The command that `record -- CMD` starts and watches.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace pilotlight::cli {

// Not thread-safe, but for Release().
class ChildCommand {
 public:
  // Forks; the child waits for Release() before it becomes `arguments`, found through PATH.
  // `output_to_errors`: its standard output goes to our standard error, as ours is for the profile.
  // Orphaned descendants become our children, so that the tree below us stays whole.
  // REQUIRES: arguments is not empty, no other thread runs.
  static absl::StatusOr<ChildCommand> Start(const std::vector<std::string>& arguments, bool output_to_errors);
  ChildCommand(ChildCommand&&) noexcept;
  ChildCommand& operator=(ChildCommand&&) = delete;
  // Ends a child that was never released.
  ~ChildCommand();

  void Release();
  // After Release(): NotFound or PermissionDenied when there is no such program. Waits until that is known.
  absl::Status WaitUntilRunning();

  pid_t pid() const { return pid_; }
  // Takes the child's end, if it has ended, and that of adopted orphans.
  bool HasEnded();
  // Waits for the end; returns the exit code, 128 + the signal as shells have it.
  int Wait();
  void Signal(int number) const;

 private:
  explicit ChildCommand(pid_t pid) : pid_(pid) {}

  pid_t pid_ = -1;
  UniqueFd release_;  // closed to release
  UniqueFd error_;    // yields errno when exec fails, ends when it works
  std::string program_;
  std::optional<int> wait_status_;
};

}  // namespace pilotlight::cli
