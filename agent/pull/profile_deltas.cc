#include "agent/pull/profile_deltas.h"

#include <algorithm>
#include <vector>

#include "absl/hash/hash.h"

namespace pilotlight::agent {
namespace {

// By node: of the stack from the root to it.
std::vector<uint64_t> StackHashes(const StackTrie& trie) {
  std::vector<uint64_t> hashes(trie.node_count());
  for (NodeId node = StackTrie::kRoot + 1; node < trie.node_count(); ++node) {
    const FrameView frame = trie.view(trie.frame_of(node));
    hashes[node] = absl::HashOf(hashes[trie.parent(node)], frame.function, frame.file, frame.line);
  }
  return hashes;
}

}  // namespace

std::optional<Profile> ProfileDeltas::Since(const std::string& owner, Profile now) {
  const std::vector<uint64_t> hashes = StackHashes(now.trie);
  Sums sums;
  for (const Sample& sample : now.samples) {
    auto& [count, value] = sums[hashes[sample.node]];
    count += sample.count;
    value += sample.value;
  }
  const auto [it, is_new] = last_.try_emplace({owner, now.type});
  stacks_ -= it->second.size();
  if (stacks_ + sums.size() > max_stacks_) {
    last_.erase(it);
    return std::nullopt;
  }
  stacks_ += sums.size();
  Sums left = std::exchange(it->second, std::move(sums));
  if (is_new) return std::nullopt;

  MergeSamples(now.samples);
  std::vector<Sample> grown;
  for (Sample sample : now.samples) {
    const auto found = left.find(hashes[sample.node]);
    if (found != left.end()) {
      // Several nodes with one hash (frames that differ in their binary alone) share what was before.
      auto& [count, value] = found->second;
      const uint64_t old_count = std::min(sample.count, count);
      const int64_t old_value = std::min(sample.value, value);
      count -= old_count;
      value -= old_value;
      sample.count -= old_count;
      sample.value -= old_value;
    }
    if (sample.count > 0 || sample.value > 0) grown.push_back(sample);
  }
  now.samples = std::move(grown);
  return now;
}

void ProfileDeltas::Retain(const absl::flat_hash_set<std::string>& owners) {
  std::erase_if(last_, [&](const auto& entry) {
    if (owners.contains(entry.first.first)) return false;
    stacks_ -= entry.second.size();
    return true;
  });
}

}  // namespace pilotlight::agent
