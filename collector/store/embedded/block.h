// One block in memory: its dictionary and its series, each read from disk when first needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/store_counters.h"
#include "rocksdb/db.h"

namespace pilotlight::collector {

// Members are guarded by `mutex`. What a writer adds stands here before it is on disk; a query may see it,
// but no window that it reads refers to it.
struct Block {
  explicit Block(const BlockKey& block_key) : key(block_key) {}

  // Read from disk what is not here yet.
  void LoadSeries(rocksdb::DB& rocks, StoreCounters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void LoadDictionary(rocksdb::DB& rocks, StoreCounters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // For a block that is not on disk.
  void StartNew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  size_t byte_size() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  const BlockKey key;
  Mutex mutex;
  SeriesTable series ABSL_GUARDED_BY(mutex);
  BlockDictionary dictionary ABSL_GUARDED_BY(mutex);
  uint32_t next_chunk ABSL_GUARDED_BY(mutex) = 0;
  // A record was corrupt: numbers may be missing at the end, so nothing more may be added.
  bool damaged ABSL_GUARDED_BY(mutex) = false;

 private:
  bool series_loaded_ ABSL_GUARDED_BY(mutex) = false;
  bool dictionary_loaded_ ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace pilotlight::collector
