#include "agent/symbolize/perf_map.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/types/span.h"

namespace pilotlight::agent {
namespace {

// Functions overlap where one took the place of another: how many of those that start before an address may
// still hold it.
constexpr int kMaxOverlaps = 16;

// Takes a hexadecimal number and the space behind it.
bool TakeNumber(absl::string_view& line, uint64_t& number) {
  const char* const begin = line.data();
  if (line.size() > 2 && line[0] == '0' && (line[1] == 'x' || line[1] == 'X')) line.remove_prefix(2);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number, 16);
  if (error != std::errc() || end == line.data() + line.size() || *end != ' ') {
    line = absl::string_view(begin, 0);
    return false;
  }
  line.remove_prefix(static_cast<size_t>(end + 1 - line.data()));
  return true;
}

}  // namespace

size_t PerfMap::Append(absl::string_view text) {
  const size_t whole = text.rfind('\n');
  if (whole == absl::string_view::npos) return 0;
  absl::string_view left = text.substr(0, whole + 1);
  while (!left.empty()) {
    absl::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(line.size() + 1);
    uint64_t start = 0;
    uint64_t bytes = 0;
    if (!TakeNumber(line, start) || !TakeNumber(line, bytes)) {
      ++broken_lines_;
      continue;
    }
    Add(start, bytes, line);
  }
  Sort();
  return whole + 1;
}

void PerfMap::Add(uint64_t start, uint64_t bytes, absl::string_view name) {
  if (name.empty() || bytes == 0 || bytes > std::numeric_limits<uint32_t>::max() || start + bytes < start ||
      names_.size() > std::numeric_limits<uint32_t>::max() - 2 * kMaxNameBytes) {
    ++broken_lines_;
    return;
  }
  name = name.substr(0, kMaxNameBytes);
  functions_.push_back({.start = start,
                        .bytes = static_cast<uint32_t>(bytes),
                        .name = static_cast<uint32_t>(names_.size()),
                        .number = ++added_});
  const auto length = static_cast<uint16_t>(name.size());
  names_.append(reinterpret_cast<const char*>(&length), sizeof(length));
  names_.append(name.data(), name.size());
}

void PerfMap::Sort() {
  std::ranges::sort(functions_, {}, [](const Function& f) { return std::pair(f.start, f.number); });
  // Of those at one address the last one stands.
  const auto same = std::unique(functions_.rbegin(), functions_.rend(),
                                [](const Function& a, const Function& b) { return a.start == b.start; });
  functions_.erase(functions_.begin(), same.base());
  sorted_ = functions_.size();
}

absl::string_view PerfMap::Find(uint64_t address) const {
  const auto sorted = absl::MakeConstSpan(functions_).first(sorted_);
  auto next = std::ranges::upper_bound(sorted, address, {}, &Function::start);
  const Function* found = nullptr;
  for (int tries = 0; next != sorted.begin() && tries < kMaxOverlaps; ++tries) {
    --next;
    if (address - next->start >= next->bytes) continue;
    if (found == nullptr || next->number > found->number) found = &*next;
  }
  if (found == nullptr) return {};
  uint16_t length = 0;
  std::memcpy(&length, names_.data() + found->name, sizeof(length));
  return absl::string_view(names_).substr(found->name + sizeof(length), length);
}

}  // namespace pilotlight::agent
