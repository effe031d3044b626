#include "collector/store/embedded/stack_sums.h"

#include <algorithm>

namespace pilotlight::collector {

void StackSums::Grow(size_t size) {
  size_ = size;
  if (size <= sums_.size()) return;
  sums_.resize(size);
  touched_.resize((size + kBitsOfWord - 1) / kBitsOfWord);
}

void StackSums::Add(const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) Add(sample.node, sample.count, sample.value);
}

void StackSums::Add(uint32_t stack, uint64_t count, int64_t value) {
  if (stack >= size_) Grow(size_t{stack} + 1);
  Sum& sum = sums_[stack];
  if (sum.is_zero()) touched_[stack / kBitsOfWord] |= uint64_t{1} << stack % kBitsOfWord;
  sum.count += count;
  sum.value += static_cast<uint64_t>(value);
}

void StackSums::Clear() {
  ForEach([this](uint32_t stack) { sums_[stack] = {}; });
  std::ranges::fill(touched_, 0);
  size_ = 0;
}

std::vector<Sample> StackSums::ToSamples() const {
  std::vector<Sample> samples;
  AppendTo(samples);
  return samples;
}

void StackSums::Merge(std::vector<Sample>& samples) {
  Clear();
  Add(samples);
  samples.clear();
  AppendTo(samples);
}

void StackSums::AppendTo(std::vector<Sample>& samples) const {
  ForEach([&](uint32_t stack) {
    if (!sums_[stack].is_zero()) samples.push_back(at(stack));
  });
}

std::vector<uint32_t> StackSums::Stacks() const {
  std::vector<uint32_t> stacks;
  ForEach([&stacks](uint32_t stack) { stacks.push_back(stack); });
  return stacks;
}

}  // namespace pilotlight::collector
