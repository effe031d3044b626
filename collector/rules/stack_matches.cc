#include "collector/rules/stack_matches.h"

#include <re2/re2.h>

#include <utility>

#include "absl/strings/string_view.h"

namespace pilotlight::collector {
namespace {

// The key, the bits, and what a table leaves empty.
constexpr size_t kEntryBytes = 2 * (sizeof(uint64_t) + sizeof(RuleBits));

}  // namespace

StackMatches::StackMatches(std::vector<Expressions> expressions, prometheus::Counter& resets,
                           size_t max_bytes)
    : expressions_(std::move(expressions)),
      resets_(resets),
      max_entries_(max_bytes / kEntryBytes / 2 / Known::kShards) {}

StackMatches::~StackMatches() = default;

RuleBits StackMatches::Known::Find(uint64_t hash, size_t max_entries, prometheus::Counter& resets,
                                   const std::function<RuleBits()>& match) {
  Shard& shard = shards_[hash % kShards];
  {
    const MutexLock lock(shard.mutex);
    if (const auto found = shard.bits.find(hash); found != shard.bits.end()) return found->second;
  }
  // Outside the lock; two threads may do the same work once.
  const RuleBits bits = match();
  const MutexLock lock(shard.mutex);
  if (shard.bits.size() >= max_entries && !shard.bits.empty()) {
    shard.bits.clear();
    resets.Increment();
  }
  shard.bits.emplace(hash, bits);
  return bits;
}

RuleBits StackMatches::Match(const StackTable& stacks, NodeId node) {
  return stacks_.Find(stacks.stack_hash(node), max_entries_, resets_, [&] {
    RuleBits bits;
    for (NodeId ancestor = node; ancestor != StackTable::kRoot; ancestor = stacks.parent(ancestor)) {
      bits |= MatchFrame(stacks, stacks.frame_of(ancestor));
    }
    return bits;
  });
}

RuleBits StackMatches::MatchFrame(const StackTable& stacks, FrameId frame) {
  return frames_.Find(stacks.frame_hash(frame), max_entries_, resets_, [&] {
    const absl::string_view function = stacks.view(frame).function;
    const re2::StringPiece name(function.data(), function.size());
    RuleBits bits;
    for (size_t i = 0; i < expressions_.size(); ++i) {
      const auto matches = [&name](const std::unique_ptr<re2::RE2>& expression) {
        return expression != nullptr && re2::RE2::PartialMatch(name, *expression);
      };
      if (matches(expressions_[i].focus)) bits.focus |= uint64_t{1} << i;
      if (matches(expressions_[i].ignore)) bits.ignore |= uint64_t{1} << i;
    }
    return bits;
  });
}

}  // namespace pilotlight::collector
