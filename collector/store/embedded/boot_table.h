// The last window stored of each agent's boot: what makes storing a window exactly-once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace pilotlight::collector {

// Changes go into the batch of the window that made them. Not thread-safe.
class BootTable {
 public:
  struct Boot {
    uint32_t id = 0;  // names the boot in the keys of its windows; never used again
    uint64_t last_sequence = 0;
    absl::Time last_seen;
  };

  // Replaces what is here by what is on disk.
  absl::Status Load(rocksdb::DB& rocks);

  const Boot* Find(const std::string& agent, const std::string& boot) const;
  void Set(const std::string& agent, const std::string& boot, const Boot& state, rocksdb::WriteBatch& batch);

  // Both return how many.
  size_t ForgetSeenBefore(absl::Time time, rocksdb::WriteBatch& batch);
  // Forgets those seen longest ago, until `count` are left.
  size_t ForgetDownTo(size_t count, rocksdb::WriteBatch& batch);

  size_t size() const { return boots_.size(); }

 private:
  using Name = std::pair<std::string, std::string>;  // agent, boot

  absl::flat_hash_map<Name, Boot> boots_;
};

}  // namespace pilotlight::collector
