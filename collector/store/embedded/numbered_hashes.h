// Hashes, evenly spread over 64 bits, numbered from 0 as they were added: what a writer must know of strings,
// frames and stacks to give each its number again, without what they stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace pilotlight::collector {

// Not thread-safe.
class NumberedHashes {
 public:
  NumberedHashes() = default;
  NumberedHashes(const NumberedHashes&) = delete;
  NumberedHashes& operator=(const NumberedHashes&) = delete;

  size_t size() const { return hashes_.size(); }
  uint64_t at(uint32_t number) const { return hashes_[number]; }
  // Gives it the next number, be it there or not. Find() goes on with the first one.
  uint32_t Add(uint64_t hash);

  // Add() keeps the table from then on; most are only read by number.
  void MakeSearchable();
  bool searchable() const { return searchable_; }
  // REQUIRES: searchable().
  std::optional<uint32_t> Find(uint64_t hash) const;
  // The number of each hash, or `missing`. Faster than one by one: while one waits for memory, others do,
  // too.
  std::vector<uint32_t> FindAll(const std::vector<uint64_t>& hashes, uint32_t missing) const;

  // Heap bytes in use.
  size_t byte_size() const;

 private:
  // Open addressing, with linear probing. The table is as large as the caches of a processor, so that what a
  // search costs is what it waits for memory: part of the hash is in the slot, for most wrong ones to be
  // passed over without a look at hashes_.
  struct Slot {
    uint32_t low_bits = 0;
    uint32_t number = kEmpty;
  };
  static constexpr uint32_t kEmpty = UINT32_MAX;

  size_t HomeOf(uint64_t hash) const;
  size_t After(size_t slot) const { return slot + 1 == slots_.size() ? 0 : slot + 1; }
  // The first one that is empty or may be that of the hash. REQUIRES: there is an empty slot.
  size_t LikelySlotOf(uint64_t hash, size_t from) const;
  // Where it is or belongs. REQUIRES: there is an empty slot.
  size_t SlotOf(uint64_t hash) const;
  void Insert(uint32_t number);
  void Resize(size_t slots);

  std::vector<uint64_t> hashes_;
  std::vector<Slot> slots_;
  size_t used_ = 0;  // of the slots
  bool searchable_ = false;
};

}  // namespace pilotlight::collector
