#include "collector/store/embedded/numbered_hashes.h"

namespace pilotlight::collector {

uint32_t NumberedHashes::Add(uint64_t hash) {
  const auto number = static_cast<uint32_t>(hashes_.size());
  // By an eighth at a time: there may be thousands of these, and doubling leaves half of each empty.
  if (hashes_.size() == hashes_.capacity()) hashes_.reserve(hashes_.size() + hashes_.size() / 8 + 1);
  hashes_.push_back(hash);
  if (searchable_) numbers_.insert(number);
  return number;
}

void NumberedHashes::MakeSearchable() {
  if (searchable_) return;
  searchable_ = true;
  numbers_.reserve(hashes_.size());
  for (uint32_t number = 0; number < hashes_.size(); ++number) numbers_.insert(number);
}

std::optional<uint32_t> NumberedHashes::Find(uint64_t hash) const {
  const auto found = numbers_.find(hash);
  return found == numbers_.end() ? std::nullopt : std::make_optional(*found);
}

std::vector<uint32_t> NumberedHashes::FindAll(const std::vector<uint64_t>& hashes, uint32_t missing) const {
  constexpr size_t kAhead = 12;
  std::vector<uint32_t> numbers;
  numbers.reserve(hashes.size());
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (i + kAhead < hashes.size()) numbers_.prefetch(hashes[i + kAhead]);
    numbers.push_back(Find(hashes[i]).value_or(missing));
  }
  return numbers;
}

size_t NumberedHashes::byte_size() const {
  constexpr size_t kControlByte = 1;  // of absl's tables, per slot
  return hashes_.capacity() * sizeof(uint64_t) + numbers_.capacity() * (sizeof(uint32_t) + kControlByte);
}

}  // namespace pilotlight::collector
