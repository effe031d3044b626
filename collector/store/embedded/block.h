// One block in memory: what readers must know of it, and, when windows are added to it, what the writer must.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/dictionary_writer.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/numbered_hashes.h"
#include "collector/store/embedded/series_table.h"
#include "collector/store/embedded/store_counters.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

// Adds a record of stack hashes (keys.h), with lost ones where numbers are missing before it. False, and
// nothing is added, when it is none.
bool AddStackHashes(absl::string_view record, NumberedHashes& stacks);

// Members are guarded by `mutex`. What a writer adds stands here before it is on disk; a query may see it,
// but no window that it reads refers to it.
struct Block {
  explicit Block(const BlockKey& block_key) : key(block_key) {}

  // Read from disk what is not here yet. After an error of the disk the next call goes on from there.
  absl::Status LoadSeries(rocksdb::DB& rocks, StoreCounters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status LoadStacks(rocksdb::DB& rocks, StoreCounters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Makes the writer, which only new stacks need. When the block turns out to be damaged, there is none.
  absl::Status MakeWritable(rocksdb::DB& rocks, StoreCounters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // For a block that is not on disk.
  void StartNew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // The hash of the stack with any number. REQUIRES: LoadStacks().
  uint64_t stack_hash(uint32_t number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // The number of a stack of `from` (a StackTable or a BlockDictionary), which is added when it is new.
  // REQUIRES: the writer is there, or the stack is known.
  template <typename Table>
  uint32_t FindOrAdd(const Table& from, NodeId node, uint64_t stack_hash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (const auto known = stacks.Find(stack_hash)) return *known;
    writer->Add(from, node);
    return stacks.Add(stack_hash);
  }
  // Puts into the batch which stacks were added since the last call.
  void PutNewStacks(rocksdb::WriteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  size_t byte_size() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  const BlockKey key;
  Mutex mutex;
  SeriesTable series ABSL_GUARDED_BY(mutex);
  NumberedHashes stacks ABSL_GUARDED_BY(mutex);
  std::optional<DictionaryWriter> writer ABSL_GUARDED_BY(mutex);
  // A record was corrupt: numbers may be missing at the end, so nothing more may be added.
  bool damaged ABSL_GUARDED_BY(mutex) = false;

 private:
  bool series_loaded_ ABSL_GUARDED_BY(mutex) = false;
  bool stacks_loaded_ ABSL_GUARDED_BY(mutex) = false;
  size_t written_stacks_ ABSL_GUARDED_BY(mutex) = 0;
  uint32_t next_chunk_ ABSL_GUARDED_BY(mutex) = 0;
};

// The names of a block, for as long as someone asks for them.
struct BlockNames {
  explicit BlockNames(const BlockKey& block_key) : key(block_key) {}

  // Reads what has been written since the last call. False when some of it was corrupt or missing.
  absl::StatusOr<bool> Load(rocksdb::DB& rocks, StoreCounters& counters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  const BlockKey key;
  Mutex mutex;
  BlockDictionary dictionary ABSL_GUARDED_BY(mutex);
  uint32_t next_chunk ABSL_GUARDED_BY(mutex) = 0;
};

}  // namespace pilotlight::collector
