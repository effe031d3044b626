#include "collector/rules/name_matches.h"

#include <re2/re2.h>

#include <utility>

#include "absl/hash/hash.h"

namespace pilotlight::collector {
namespace {

// Of a table's entry: the key, the bits, and what a table leaves empty.
constexpr size_t kEntryBytes = 2 * (sizeof(std::string) + sizeof(RuleBits));

}  // namespace

NameMatches::NameMatches(std::vector<Expressions> expressions, prometheus::Counter& resets, size_t max_bytes)
    : expressions_(std::move(expressions)), resets_(resets), max_shard_bytes_(max_bytes / kShards) {}

NameMatches::~NameMatches() = default;

RuleBits NameMatches::Match(absl::string_view function) {
  Shard& shard = shards_[absl::HashOf(function) % kShards];
  {
    const MutexLock lock(shard.mutex);
    if (const auto found = shard.known.find(function); found != shard.known.end()) return found->second;
  }
  // Outside the lock; two threads may do the same work once.
  const re2::StringPiece name(function.data(), function.size());
  RuleBits bits;
  for (size_t i = 0; i < expressions_.size(); ++i) {
    const auto matches = [&name](const std::unique_ptr<re2::RE2>& expression) {
      return expression != nullptr && re2::RE2::PartialMatch(name, *expression);
    };
    if (matches(expressions_[i].focus)) bits.focus |= uint64_t{1} << i;
    if (matches(expressions_[i].ignore)) bits.ignore |= uint64_t{1} << i;
  }
  const size_t bytes = kEntryBytes + function.size();
  const MutexLock lock(shard.mutex);
  if (shard.bytes + bytes > max_shard_bytes_ && !shard.known.empty()) {
    shard.known.clear();
    shard.bytes = 0;
    resets_.Increment();
  }
  if (shard.known.try_emplace(std::string(function), bits).second) shard.bytes += bytes;
  return bits;
}

}  // namespace pilotlight::collector
