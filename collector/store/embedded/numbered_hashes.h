// Hashes numbered from 0 as they were added: what a writer must know of strings, frames and stacks to give
// each its number again, without what they stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace pilotlight::collector {

// Not thread-safe.
class NumberedHashes {
 public:
  NumberedHashes() : numbers_(0, Hash{&hashes_}, Equal{&hashes_}) {}
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
  // The number of each hash, or `missing`. Faster than one by one: what one waits for in memory, another
  // uses.
  std::vector<uint32_t> FindAll(const std::vector<uint64_t>& hashes, uint32_t missing) const;

  // Heap bytes in use.
  size_t byte_size() const;

 private:
  struct Hash {
    using is_transparent = void;
    const std::vector<uint64_t>* hashes;
    size_t operator()(uint64_t hash) const { return absl::HashOf(hash); }
    size_t operator()(uint32_t number) const { return absl::HashOf((*hashes)[number]); }
  };
  struct Equal {
    using is_transparent = void;
    const std::vector<uint64_t>* hashes;
    bool operator()(uint32_t a, uint32_t b) const { return (*hashes)[a] == (*hashes)[b]; }
    bool operator()(uint32_t a, uint64_t b) const { return (*hashes)[a] == b; }
  };

  std::vector<uint64_t> hashes_;
  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;
  bool searchable_ = false;
};

}  // namespace pilotlight::collector
