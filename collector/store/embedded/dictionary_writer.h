// Adds stacks to a block's names without having them in memory: it knows hashes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "collector/store/embedded/block_dictionary.h"
#include "collector/store/embedded/numbered_hashes.h"
#include "profile/frame.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// All strings and frames are known, and of the nodes those near the root, which most stacks share, and every
// eighth other one. A new stack goes on from its deepest known node, so some nodes are written again; that
// costs a few bytes on disk for each new stack and saves most of the largest of these tables. Not
// thread-safe.
class DictionaryWriter {
 public:
  // Goes on where the dictionary ends.
  explicit DictionaryWriter(const BlockDictionary& dictionary);

  // The stack gets the next number.
  void Add(const StackTable& from, NodeId node) { AddStack(from, node); }
  void Add(const BlockDictionary& from, NodeId node) { AddStack(from, node); }

  // Encodes what was added since the last call as a chunk; empty when there is nothing new.
  std::string TakeChunk();

  // Heap bytes in use.
  size_t byte_size() const;

 private:
  struct Node {
    NodeId parent;
    FrameId frame;
  };

  template <typename Table>
  void AddStack(const Table& from, NodeId node);
  StringId Intern(absl::string_view text);
  template <typename Table>
  FrameId Intern(const Table& from, FrameId frame, uint64_t hash);
  // `depth` is the number of frames.
  static bool IsAnchor(size_t depth, uint64_t stack_hash) { return depth <= 8 || stack_hash % 8 == 0; }
  void AddAnchor(NodeId node, size_t depth, uint64_t stack_hash);

  NumberedHashes strings_;
  NumberedHashes frames_;
  NumberedHashes anchors_;
  std::vector<NodeId> anchor_nodes_;  // by number of the anchor
  size_t node_count_;
  size_t stack_count_;

  // Since the last chunk.
  std::vector<uint32_t> new_string_sizes_;
  std::string new_text_;
  std::vector<Frame> new_frames_;
  std::vector<Node> new_nodes_;
  std::vector<NodeId> new_stacks_;

  // Of one call, the leaf first.
  std::vector<FrameId> path_;
  std::vector<uint64_t> frame_hashes_;
  std::vector<uint64_t> stack_hashes_;
};

}  // namespace pilotlight::collector
