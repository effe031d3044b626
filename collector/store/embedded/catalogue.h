// Which blocks there are, and which services: small enough to be in memory always.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "collector/store/embedded/keys.h"
#include "rocksdb/db.h"

namespace pilotlight::collector {

// Thread-safe. The writer adds to it in step with the batch that it writes, and reads it anew from disk when
// a write has failed; a query may see a block that is not on disk yet, which is then empty.
class Catalogue {
 public:
  // Replaces what is here by what is on disk.
  absl::Status Load(rocksdb::DB& rocks);

  std::optional<uint32_t> FindService(const std::string& name) const;
  void AddService(const std::string& name, uint32_t id);
  // Those whose name `matches`, in no order.
  std::vector<uint32_t> Services(absl::FunctionRef<bool(const std::string& name)> matches) const;

  // The last part of a block. A closed one must not be added to.
  struct Part {
    BlockKey key;
    bool closed = false;
  };
  std::optional<Part> FindLastPart(const BlockKey& first_part) const;
  std::vector<BlockKey> Parts(const BlockKey& first_part) const;
  // With windows of services.
  std::vector<BlockKey> BlocksOfDay(uint32_t day) const;
  void AddBlock(const BlockKey& key);

  // All blocks lie in [first_ns, end_ns), which is empty when there are none.
  uint64_t first_ns() const;
  uint64_t end_ns() const;

  // Where the records of a level begin: those that start earlier were dropped, with whole blocks.
  uint64_t horizon_ns(Level level) const;
  // Blocks of the tier that begin earlier have no records left.
  uint32_t names_end_day(BlockTier tier) const;
  // The first day of the oldest block that may hold records of the level; nothing when there is none.
  std::optional<uint32_t> FirstDay(Level level) const;
  // No keys of a space are left that are of an earlier day.
  uint32_t dropped_end_day(char space) const;
  // Moves it forward. What is then without any record: blocks, and services that have no others.
  struct Expired {
    std::vector<BlockKey> blocks;
    std::vector<std::string> services;
  };
  Expired AdvanceHorizon(Level level, uint64_t unix_ns);

  size_t block_count() const;
  size_t service_count() const;

 private:
  uint32_t NamesEndDay(BlockTier tier) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::map<BlockKey, bool> blocks_ ABSL_GUARDED_BY(mutex_);           // whether it is closed
  std::array<uint64_t, 4> horizons_ns_ ABSL_GUARDED_BY(mutex_) = {};  // by level
  absl::flat_hash_map<std::string, uint32_t> service_ids_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint32_t, std::string> service_names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
