// Puts the stacks of many blocks into one trie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/block_scan.h"
#include "profile/stack_hash.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// A stack that came before is known by its hash, so the names of what many blocks share are read once, from
// the block that comes first. Not thread-safe.
class StackMerger {
 public:
  // `to` must outlive it.
  explicit StackMerger(StackTrie& to) : to_(to), nodes_{{kRootStackHash, StackTrie::kRoot}} {}

  // The node in `to` for each of `stacks`, numbers in the block that ascend. Some node when the scan's status
  // is not OK afterwards.
  std::vector<NodeId> Map(BlockScan& scan, Block& block, const std::vector<uint32_t>& stacks);

 private:
  void MapUnknown(const BlockDictionary& from, const std::vector<uint32_t>& stacks,
                  std::vector<NodeId>& mapped);
  NodeId MapNode(const BlockDictionary& from, NodeId node);
  FrameId MapFrame(const BlockDictionary& from, FrameId frame);
  StringId MapString(const BlockDictionary& from, StringId text);

  static constexpr uint32_t kUnmapped = UINT32_MAX;

  StackTrie& to_;
  absl::flat_hash_map<uint64_t, NodeId> nodes_;  // by hash of the stack
  // Of one call.
  std::vector<uint64_t> hashes_;
  std::vector<NodeId> node_of_;      // by node of the dictionary
  std::vector<FrameId> frame_of_;    // by frame of the dictionary
  std::vector<StringId> string_of_;  // by string of the dictionary
  std::vector<NodeId> path_;
};

}  // namespace pilotlight::collector
