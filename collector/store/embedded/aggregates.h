// Sums over all services, kept at every summed level: of everything, and by some labels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "collector/store/matcher.h"
#include "profile/profile.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

struct Aggregate {
  std::vector<std::string> labels;  // those that it keeps, sorted; none for the sum of everything
  uint32_t id = 0;                  // stands for a service in the keys of its blocks
  // Spans that start earlier have no sum: the store was filled before there was this aggregate.
  uint64_t since_ns = 0;

  // The labels of the series that `labels` are added to.
  Labels Reduce(const Labels& labels_of_series) const;
};

// Instantaneous profiles are not summed: their newest windows are of different moments. Thread-safe.
class Aggregates {
 public:
  // `definitions` are the labels of each.
  explicit Aggregates(std::vector<std::vector<std::string>> definitions);

  // Reads since when each is kept; puts into `batch` what is not wanted any more, and what is new: that is
  // kept from `first_new` on.
  absl::Status Load(rocksdb::DB& rocks, absl::Time first_new, rocksdb::WriteBatch& batch);

  std::vector<Aggregate> All() const;
  // The one that answers a question with these matchers and groups, or none.
  std::optional<Aggregate> Find(const std::vector<Matcher>& matchers,
                                const std::vector<std::string>& group_by) const;

 private:
  const std::vector<std::vector<std::string>> definitions_;
  mutable Mutex mutex_;
  std::vector<Aggregate> aggregates_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
