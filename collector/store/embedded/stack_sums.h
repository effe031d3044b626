// Sums by number of the stack: how windows of one block are merged.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "profile/profile.h"

namespace pilotlight::collector {

// Dense: index is the stack; clearing costs no more than what was added. Sums wrap rather than overflow. In
// its samples `node` is the stack's number. Not thread-safe.
class StackSums {
 public:
  void Add(const std::vector<Sample>& samples);
  void Add(uint32_t stack, uint64_t count, int64_t value);
  void Clear();
  // One past the highest number.
  size_t size() const { return size_; }
  Sample at(uint32_t stack) const {
    return {stack, sums_[stack].count, static_cast<int64_t>(sums_[stack].value)};
  }
  // Sorted, without those that are zero.
  std::vector<Sample> ToSamples() const;
  // What MergeSamples() does, for samples whose `node` is a stack's number; faster, as nothing is compared.
  // Begins anew.
  void Merge(std::vector<Sample>& samples);
  // Calls visit(stack) for each one that was added, in order.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t word = 0; word < touched_.size(); ++word) {
      for (uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
        visit(static_cast<uint32_t>(word * kBitsOfWord + static_cast<size_t>(std::countr_zero(bits))));
      }
    }
  }
  // Those that were added, in order.
  std::vector<uint32_t> Stacks() const;

 private:
  // Side by side, as who waits for one of them from memory gets both.
  struct Sum {
    uint64_t count = 0;
    uint64_t value = 0;
    bool is_zero() const { return (count | value) == 0; }
  };

  static constexpr size_t kBitsOfWord = 64;
  void Grow(size_t size);
  void AppendTo(std::vector<Sample>& samples) const;

  std::vector<Sum> sums_;
  std::vector<uint64_t> touched_;  // a bit for each stack
  size_t size_ = 0;
};

}  // namespace pilotlight::collector
