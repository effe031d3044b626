#include "agent/containers/container_directory.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kKeptUnused = absl::Minutes(10);
constexpr absl::Duration kLongestWait = absl::Minutes(10);

const char* ResultOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return "found";
    case absl::StatusCode::kNotFound:
      return "unknown";
    case absl::StatusCode::kFailedPrecondition:
      return "no_runtime";
    case absl::StatusCode::kDeadlineExceeded:
      return "timeout";
    default:
      return "failed";
  }
}

}  // namespace

ContainerDirectory::ContainerDirectory(std::unique_ptr<ContainerRuntime> runtime,
                                       const ContainerDirectoryOptions& options, Now now)
    : runtime_(std::move(runtime)), options_(options), now_(std::move(now)) {
  for (const char* result : {"found", "unknown", "no_runtime", "timeout", "failed", "full"}) lookups_[result];
}

ContainerDirectory::~ContainerDirectory() {
  std::thread thread;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  changed_.NotifyAll();
  if (thread.joinable()) thread.join();
}

absl::Duration ContainerDirectory::SteadyNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

std::shared_ptr<const Container> ContainerDirectory::Find(const std::string& id) {
  const absl::Duration now = now_();
  const MutexLock lock(mutex_);
  auto found = entries_.find(id);
  if (found == entries_.end()) {
    if (entries_.size() >= options_.max_containers) ForgetUnused(now);
    if (entries_.size() >= options_.max_containers) {
      ++lookups_["full"];
      return nullptr;
    }
    found = entries_.emplace(id, Entry{.next_try = now}).first;
  }
  Entry& entry = found->second;
  entry.last_use = now;
  if (entry.container == nullptr && !entry.pending && now >= entry.next_try) {
    entry.pending = true;
    ++pending_;
    changed_.NotifyAll();
    if (!thread_.joinable()) {
      thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "containers");
        Run();
      });
    }
  }
  return entry.container;
}

void ContainerDirectory::ForgetUnused(absl::Duration now) {
  absl::erase_if(entries_, [now](const auto& entry) {
    return !entry.second.pending && now - entry.second.last_use > kKeptUnused;
  });
}

void ContainerDirectory::Settle(absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  const MutexLock lock(mutex_);
  while (pending_ > 0) {
    const absl::Duration left = absl::FromChrono(deadline - std::chrono::steady_clock::now());
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mutex_, left);
  }
}

std::map<std::string, uint64_t> ContainerDirectory::lookups() const {
  const MutexLock lock(mutex_);
  return lookups_;
}

std::string ContainerDirectory::NextPending() const {
  const auto next = std::ranges::find_if(entries_, [](const auto& entry) { return entry.second.pending; });
  return next == entries_.end() ? "" : next->first;
}

void ContainerDirectory::Finish(const std::string& id, Entry& entry,
                                const absl::StatusOr<Container>& container) {
  entry.pending = false;
  --pending_;
  spdlog::debug("container {}: {}", id, container.ok() ? "found" : container.status().ToString());
  ++lookups_[ResultOf(container.status())];
  if (container.ok()) {
    entry.container = std::make_shared<const Container>(*container);
    return;
  }
  entry.wait = std::clamp(entry.wait * 2, options_.retry, kLongestWait);
  entry.next_try = now_() + entry.wait;
}

void ContainerDirectory::LogFailure(const absl::Status& status) {
  const bool log =
      absl::IsFailedPrecondition(status) ? !std::exchange(no_runtime_logged_, true) : failure_log_.Allow();
  if (log) spdlog::warn("containers have no names: {}", std::string(status.message()));
}

void ContainerDirectory::Run() {
  while (true) {
    std::string id;
    {
      const MutexLock lock(mutex_);
      while (pending_ == 0 && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
      id = NextPending();
    }
    const absl::StatusOr<Container> container = runtime_->Find(id);
    const MutexLock lock(mutex_);
    Finish(id, entries_.at(id), container);
    if (!container.ok() && !absl::IsNotFound(container.status())) {
      LogFailure(container.status());
      // The others would wait as long for the same.
      for (auto& [other, entry] : entries_) {
        if (entry.pending) Finish(other, entry, container);
      }
    }
    changed_.NotifyAll();
  }
}

}  // namespace pilotlight::agent
