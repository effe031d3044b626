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
  static constexpr int kNumberBits = 24;
  static constexpr size_t kMaxSize = (size_t{1} << kNumberBits) - 1;

  NumberedHashes() = default;
  NumberedHashes(const NumberedHashes&) = delete;
  NumberedHashes& operator=(const NumberedHashes&) = delete;

  size_t size() const { return hashes_.size(); }
  uint64_t at(uint32_t number) const { return hashes_[number]; }
  // Gives it the next number, be it there or not. Find() goes on with the first one.
  // REQUIRES: there are less than kMaxSize.
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
  // search costs is what it waits for memory: part of the hash is in the slot, above the number, for most
  // wrong ones to be passed over without a look at hashes_.
  using Slot = uint32_t;
  static constexpr Slot kEmpty = UINT32_MAX;  // kMaxSize is no number

  static uint32_t NumberIn(Slot slot) { return slot & kMaxSize; }
  static Slot PartOf(uint64_t hash) { return static_cast<Slot>(hash << kNumberBits); }
  static bool MayBe(Slot slot, uint64_t hash) { return (slot ^ PartOf(hash)) <= kMaxSize; }
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
