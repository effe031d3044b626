// The label sets and profile types of one block, numbered as they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight::collector {

struct SeriesIdentity {
  ProfileType type;
  Labels labels;
};

// A record: the type's five parts, the number of labels, then name and value of each; all texts with their
// length in front. Not thread-safe.
std::string EncodeSeriesIdentity(const SeriesIdentity& identity);
// DataLoss when the bytes are no such record.
absl::Status DecodeSeriesIdentity(absl::string_view bytes, SeriesIdentity& identity);

class SeriesTable {
 public:
  // One past the highest number; numbers whose record was lost have no identity.
  size_t size() const { return identities_.size(); }
  const std::optional<SeriesIdentity>& identity(uint32_t id) const { return identities_[id]; }

  // Adds a record as read from disk, in order of numbers. DataLoss when it is broken.
  absl::Status AddRecord(uint32_t id, absl::string_view record);

  bool Contains(const std::string& record) const { return ids_.contains(record); }
  // The number of what `record` says, added when it is new.
  struct Interned {
    uint32_t id = 0;
    bool added = false;
  };
  Interned Intern(const std::string& record, const SeriesIdentity& identity);

  // Heap bytes in use, an estimate.
  size_t byte_size() const { return byte_size_; }

 private:
  void Add(uint32_t id, const std::string& record, SeriesIdentity identity);

  std::vector<std::optional<SeriesIdentity>> identities_;
  absl::flat_hash_map<std::string, uint32_t> ids_;
  size_t byte_size_ = 0;
};

}  // namespace pilotlight::collector
