// Which spans of the coarser levels do not hold all their windows yet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "collector/store/embedded/keys.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

// The name under which the spans of all aggregates together are open.
inline constexpr uint32_t kAllAggregates = UINT32_MAX;

// A window opens the spans that hold it, of its service and of the aggregates, in the batch that stores it;
// summing them up closes them, in the batch that stores the sum. A span that is not open has its sum, or no
// windows at all. A query asks first and takes its snapshot of the database then, so what it takes for closed
// it finds summed up. Thread-safe.
class OpenSpans {
 public:
  // Replaces what is here by what is on disk.
  absl::Status Load(rocksdb::DB& rocks);

  bool Contains(const SpanKey& span) const;
  // The first start of an open span of each level, by level; the end of time where there is none.
  std::array<uint64_t, 4> EarliestStarts() const;
  // Opens the spans around a window that starts at `start_ns`, or says that it came to open ones.
  void Touch(uint64_t start_ns, uint32_t service, absl::Time now, rocksdb::WriteBatch& batch);

  struct OpenSpan {
    SpanKey key;
    uint64_t touches = 0;  // when the last one was
    absl::Time last_touch;
  };
  // Those of `level` that are `wanted`, in order of time and within it of services, kAllAggregates last:
  // `max` at most, from behind `after`.
  std::vector<OpenSpan> Find(Level level, const std::optional<SpanKey>& after,
                             absl::FunctionRef<bool(const OpenSpan&)> wanted, size_t max) const;
  // Those of `level` that start earlier.
  std::vector<SpanKey> Before(Level level, uint64_t start_ns) const;
  // A service has one that starts then.
  bool ContainsAnyService(Level level, uint64_t start_ns) const;
  // True when no window has come, and none can have been restored, since `span` was as it was.
  bool Unchanged(const OpenSpan& span) const;
  // Puts the closing into `batch`. It stays open until that is on disk, when Close() is called; a window that
  // comes between the two opens it anew.
  void BeginClosing(const SpanKey& span, rocksdb::WriteBatch& batch);
  void Close(const SpanKey& span);

  size_t size() const;

 private:
  struct State {
    uint64_t touches = 0;
    absl::Time last_touch = absl::InfinitePast();
    bool is_closing = false;
  };

  mutable Mutex mutex_;
  absl::btree_map<SpanKey, State> spans_ ABSL_GUARDED_BY(mutex_);
  uint64_t touches_ ABSL_GUARDED_BY(mutex_) = 0;  // of all spans, and loads
};

}  // namespace pilotlight::collector
