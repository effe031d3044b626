// The answer to a question for a merged profile, put together block by block.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "collector/store/embedded/block_scan.h"
#include "collector/store/embedded/stack_merger.h"
#include "collector/store/embedded/stack_sums.h"
#include "collector/store/profile_store.h"

namespace pilotlight::collector {

// Thread-safe: blocks may be added by several threads, each with its own BlockScan.
class ProfileMerger {
 public:
  // Of an instantaneous type, `newest` tells when each label set's newest window starts: the only one that
  // counts. The references must outlive it.
  ProfileMerger(const StoreSelection& selection, const std::map<Labels, uint64_t>& newest)
      : selection_(selection), newest_(newest), merger_(trie_) {}

  // `scratch` is the thread's own, and may be used from one call to the next.
  void AddBlock(BlockScan& scan, const BlockScan::ChosenBlock& chosen, const std::vector<Piece>& pieces,
                StackSums& scratch);
  // Once, at the end.
  MergedProfile Take();

 private:
  const StoreSelection& selection_;
  const std::map<Labels, uint64_t>& newest_;

  Mutex mutex_;  // taken before a block's
  StackTrie trie_ ABSL_GUARDED_BY(mutex_);
  StackMerger merger_ ABSL_GUARDED_BY(mutex_);
  StackSums sums_ ABSL_GUARDED_BY(mutex_);
  SeriesSpan span_ ABSL_GUARDED_BY(mutex_);
  LossCounters loss_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> period_ ABSL_GUARDED_BY(mutex_);
  std::optional<Labels> shared_labels_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
