#include "collector/store/embedded/numbered_hashes.h"

#include "absl/numeric/int128.h"

namespace pilotlight::collector {

uint32_t NumberedHashes::Add(uint64_t hash) {
  const auto number = static_cast<uint32_t>(hashes_.size());
  // By an eighth at a time: there may be thousands of these, and doubling leaves half of each empty.
  if (hashes_.size() == hashes_.capacity()) hashes_.reserve(hashes_.size() + hashes_.size() / 8 + 1);
  hashes_.push_back(hash);
  if (searchable_) Insert(number);
  return number;
}

void NumberedHashes::MakeSearchable() {
  if (searchable_) return;
  searchable_ = true;
  Resize(hashes_.size() / 2 * 3 + 4);
}

size_t NumberedHashes::HomeOf(uint64_t hash) const {
  return static_cast<size_t>(absl::Uint128High64(absl::uint128(hash) * slots_.size()));
}

size_t NumberedHashes::LikelySlotOf(uint64_t hash, size_t from) const {
  size_t at = from;
  while (slots_[at] != kEmpty && !MayBe(slots_[at], hash)) at = After(at);
  return at;
}

size_t NumberedHashes::SlotOf(uint64_t hash) const {
  size_t at = LikelySlotOf(hash, HomeOf(hash));
  while (slots_[at] != kEmpty && hashes_[NumberIn(slots_[at])] != hash) at = LikelySlotOf(hash, After(at));
  return at;
}

void NumberedHashes::Insert(uint32_t number) {
  if ((used_ + 1) * 4 > slots_.size() * 3) return Resize(slots_.size() / 2 * 3);
  const uint64_t hash = hashes_[number];
  Slot& slot = slots_[SlotOf(hash)];
  if (slot != kEmpty) return;
  slot = PartOf(hash) | number;
  ++used_;
}

void NumberedHashes::Resize(size_t slots) {
  slots_ = std::vector<Slot>(slots, kEmpty);
  used_ = 0;
  for (uint32_t number = 0; number < hashes_.size(); ++number) Insert(number);
}

std::optional<uint32_t> NumberedHashes::Find(uint64_t hash) const {
  const Slot slot = slots_[SlotOf(hash)];
  return slot == kEmpty ? std::nullopt : std::make_optional(NumberIn(slot));
}

std::vector<uint32_t> NumberedHashes::FindAll(const std::vector<uint64_t>& hashes, uint32_t missing) const {
  constexpr size_t kAhead = 12;
  std::vector<uint32_t> numbers;
  numbers.reserve(hashes.size());
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (i + 2 * kAhead < hashes.size()) __builtin_prefetch(&slots_[HomeOf(hashes[i + 2 * kAhead])]);
    if (i + kAhead < hashes.size()) {
      const Slot likely = slots_[LikelySlotOf(hashes[i + kAhead], HomeOf(hashes[i + kAhead]))];
      if (likely != kEmpty) __builtin_prefetch(&hashes_[NumberIn(likely)]);
    }
    numbers.push_back(Find(hashes[i]).value_or(missing));
  }
  return numbers;
}

size_t NumberedHashes::byte_size() const {
  return hashes_.capacity() * sizeof(uint64_t) + slots_.capacity() * sizeof(Slot);
}

}  // namespace pilotlight::collector
