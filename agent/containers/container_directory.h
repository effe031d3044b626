// The containers that processes have been seen in: each is looked up once, in a thread of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/containers/container.h"
#include "agent/uplink/log_limit.h"
#include "base/mutex.h"

namespace pilotlight::agent {

struct ContainerDirectoryOptions {
  // Past it those that nobody has asked for in the last ten minutes make room; without any, what is not known
  // yet stays so, and is counted as "full".
  size_t max_containers = 1024;
  // A look-up without a container is tried again after this, twice this, and so on, up to ten minutes.
  absl::Duration retry = absl::Seconds(2);
};

// Thread-safe.
class ContainerDirectory {
 public:
  using Now = std::function<absl::Duration()>;  // on a clock that is never set

  // `runtime` is used in one thread only.
  explicit ContainerDirectory(std::unique_ptr<ContainerRuntime> runtime,
                              const ContainerDirectoryOptions& options = {}, Now now = SteadyNow);
  // Waits for the look-up that is going on.
  ~ContainerDirectory();

  // What is known of the container at this moment, nullptr when nothing is. The first time, and when a
  // look-up without a container is old enough, one is begun.
  std::shared_ptr<const Container> Find(const std::string& id);
  // Until nothing is being looked up, or `timeout` has passed.
  void Settle(absl::Duration timeout);

  // Look-ups by result: "found", "unknown" to the runtime, "no_runtime", "timeout", "failed", "full".
  std::map<std::string, uint64_t> lookups() const;

 private:
  struct Entry {
    std::shared_ptr<const Container> container;
    bool pending = false;
    absl::Duration last_use;
    absl::Duration next_try;
    absl::Duration wait;
  };

  static absl::Duration SteadyNow();

  void Run();
  // The ID of one that is to be looked up; empty when there is none.
  std::string NextPending() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetUnused(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(const std::string& id, Entry& entry, const absl::StatusOr<Container>& container)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LogFailure(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<ContainerRuntime> runtime_;
  const ContainerDirectoryOptions options_;
  const Now now_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  size_t pending_ ABSL_GUARDED_BY(mutex_) = 0;  // of them
  std::map<std::string, uint64_t> lookups_ ABSL_GUARDED_BY(mutex_);
  LogLimit failure_log_ ABSL_GUARDED_BY(mutex_);
  bool no_runtime_logged_ ABSL_GUARDED_BY(mutex_) = false;  // many nodes have none
  std::thread thread_ ABSL_GUARDED_BY(mutex_);              // from the first look-up on
};

}  // namespace pilotlight::agent
