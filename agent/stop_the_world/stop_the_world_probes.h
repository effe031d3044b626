// Stops of the world by the garbage collectors of Go programs, timed by uprobes: exact, and split into the
// time to stop and the time stopped.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/stop_the_world/bpf/stop_the_world_abi.h"
#include "agent/symbolize/file_identity.h"
#include "agent/targets/process_table.h"
#include "base/unique_fd.h"

struct stop_the_world_bpf;

namespace pilotlight::agent {

// Probes stay attached between windows, and cost a program nothing but at its stops. Not thread-safe.
class StopTheWorldProbes {
 public:
  // Unimplemented before Linux 6.6, which has no BPF links to many uprobes at once; PermissionDenied without
  // CAP_BPF and CAP_PERFMON.
  static absl::StatusOr<std::unique_ptr<StopTheWorldProbes>> Create(std::string proc_root = "/proc");
  ~StopTheWorldProbes();

  // Stops of the program since the last call. The first call for an executable attaches the probes, for all
  // processes that run it. Nothing when there was none, or it cannot be probed.
  std::optional<pl_stop_the_world> Take(const Process& process);
  // After each window: lets go of executables that nobody has asked for in a while.
  void EndWindow();

  // CPU time that the probes took in all programs, as far as known.
  absl::Duration kernel_time() const;
  // Executables with probes.
  size_t size() const;

 private:
  struct Executable {
    UniqueFd link;  // not valid when it cannot be probed
    uint64_t last_window = 0;
  };
  struct SkeletonDeleter {
    void operator()(stop_the_world_bpf* skeleton) const;
  };
  using Skeleton = std::unique_ptr<stop_the_world_bpf, SkeletonDeleter>;

  StopTheWorldProbes(Skeleton skeleton, std::string proc_root)
      : skeleton_(std::move(skeleton)), proc_root_(std::move(proc_root)) {}
  absl::StatusOr<UniqueFd> Attach(const std::string& path) const;
  bool Probe(pid_t pid);

  const Skeleton skeleton_;
  const std::string proc_root_;
  uint64_t window_ = 0;
  absl::flat_hash_map<FileIdentity, Executable> executables_;
};

}  // namespace pilotlight::agent
