// Which blocks there are, and which services: small enough to be in memory always.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
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
  // The last part of the service's day. A closed one must not be added to.
  struct Part {
    BlockKey key;
    bool closed = false;
  };
  std::optional<Part> FindLastPart(uint32_t day, uint32_t service) const;
  void AddBlock(const BlockKey& key);

  struct NamedBlock {
    BlockKey key;
    std::string service;
  };
  // In order of days.
  std::vector<NamedBlock> BlocksOfDays(uint32_t first_day, uint32_t last_day) const;

  // The blocks of days before `day`, and the services that have no others.
  struct Expired {
    std::vector<BlockKey> blocks;
    std::vector<std::string> services;
  };
  Expired FindExpired(uint32_t day) const;
  void Remove(const Expired& expired);

  size_t block_count() const;
  size_t service_count() const;

 private:
  mutable Mutex mutex_;
  std::map<BlockKey, bool> blocks_ ABSL_GUARDED_BY(mutex_);  // whether it is closed
  absl::flat_hash_map<std::string, uint32_t> service_ids_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint32_t, std::string> service_names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
