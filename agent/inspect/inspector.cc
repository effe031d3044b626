#include "agent/inspect/inspector.h"

#include <pthread.h>

namespace pilotlight::agent {

Inspector::~Inspector() {
  std::thread thread;
  {
    const MutexLock lock(mutex_);
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void Inspector::Inspect(Done done) {
  std::optional<Inspection> recent;
  {
    const MutexLock lock(mutex_);
    if (last_.has_value() && std::chrono::steady_clock::now() - last_time_ < min_interval_) {
      recent = last_;
    } else {
      waiting_.push_back(std::move(done));
      if (waiting_.size() > 1) return;
      if (thread_.joinable()) thread_.join();  // the last one's; it has nothing left to do
      thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "inspector");
        Run();
      });
      return;
    }
  }
  done(*recent);
}

void Inspector::Run() {
  const Inspection inspection = inspect_();
  std::vector<Done> waiting;
  {
    const MutexLock lock(mutex_);
    last_ = inspection;
    last_time_ = std::chrono::steady_clock::now();
    waiting = std::exchange(waiting_, {});
  }
  for (const Done& done : waiting) done(inspection);
}

}  // namespace pilotlight::agent
