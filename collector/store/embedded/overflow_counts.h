// Whose stacks and label sets were too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace pilotlight::collector {

enum class ServiceLimit { kStacks, kSeries };

// Samples of one service that were counted in its overflow bucket.
struct Overflow {
  std::string service;
  ServiceLimit limit = ServiceLimit::kStacks;
  uint64_t samples = 0;
};

// Thread-safe.
class OverflowCounts {
 public:
  // Stands for all services beyond the first kMaxServices.
  static constexpr absl::string_view kOtherServices = "[other]";
  static constexpr size_t kMaxServices = 100;

  void Add(const std::string& service, ServiceLimit limit, uint64_t samples);
  std::vector<Overflow> All() const;

 private:
  mutable Mutex mutex_;
  std::map<std::pair<std::string, ServiceLimit>, uint64_t> samples_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
