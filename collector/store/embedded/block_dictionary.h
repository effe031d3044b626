// The names of one block: its stacks, and the trie that they are in, as read from disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "collector/store/embedded/numbered_hashes.h"
#include "profile/frame.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// A chunk, one record on disk, holds what one append added. All its numbers are varints, in columns:
//
//   first string, first frame, first node, first stack of the chunk; how many of each it has
//   strings   the lengths, then the bytes of all
//   frames    function, file, mapping, line, each as the zigzag difference to the frame before; the
//             zigzag distance from the function's first line (0 when unknown) to the line; flags (bits 0–3
//             kind, 4 inlined, 5 symbolized)
//   nodes     distance to the parent's number; frame, as the zigzag difference to the node before
//   stacks    node, as the zigzag difference to the stack before
//
// Samples name stacks. Two nodes may be of the same stack: who writes does not know all nodes
// (dictionary_writer.h). Number 0 of each is always there, as in StackTable; stack 0 is the empty one.
//
// Where a chunk is missing (its record was corrupt) the numbers in the gap are filled with kLostName, so
// that all that is left keeps its meaning and totals stay exact. Not thread-safe.
class BlockDictionary {
 public:
  static constexpr absl::string_view kLostName = "[lost: corrupt record]";
  static constexpr uint32_t kLostNumber = UINT32_MAX;
  // Strings, frames, nodes or stacks of one dictionary: far above what a block may hold
  // (EmbeddedStoreOptions) with one more window. It bounds what a broken record can make us allocate.
  static constexpr uint64_t kMaxEntries = NumberedHashes::kMaxSize;

  BlockDictionary();
  BlockDictionary(const BlockDictionary&) = delete;
  BlockDictionary& operator=(const BlockDictionary&) = delete;

  size_t string_count() const { return string_ends_.size(); }
  size_t frame_count() const { return frames_.size(); }
  size_t node_count() const { return parents_.size(); }
  size_t stack_count() const { return stack_nodes_.size(); }
  absl::string_view string(StringId id) const;
  NodeId parent(NodeId node) const { return parents_[node]; }
  // May be kLostNumber, which only view() understands.
  FrameId frame_of(NodeId node) const { return node_frames_[node]; }
  FrameView view(FrameId id) const;
  // Null for one that was lost.
  const Frame* frame(FrameId id) const {
    return id == kLostNumber || frames_[id].function == kLostNumber ? nullptr : &frames_[id];
  }
  uint64_t frame_hash(FrameId id) const;
  // Of what is left of its names: another one than that of the stack when frames of it were lost.
  uint64_t stack_hash(NodeId node) const;
  // Whether no chunk before the last one is missing.
  bool whole() const { return whole_; }
  // Of any stack number; kLostNumber when its names are not here.
  NodeId node_of(uint32_t stack) const {
    return stack < stack_nodes_.size() ? stack_nodes_[stack] : kLostNumber;
  }

  // Adds a chunk, in order. DataLoss when it is broken or does not fit; nothing is added then.
  absl::Status AddChunk(absl::string_view chunk);
  // Gives back the room that AddChunk() took ahead.
  void ShrinkToFit();

  // Heap bytes in use, within some ten per cent.
  size_t byte_size() const;

 private:
  std::string text_;                   // all strings, one behind the other
  std::vector<uint32_t> string_ends_;  // in `text_`
  std::vector<Frame> frames_;
  std::vector<NodeId> parents_;
  std::vector<FrameId> node_frames_;
  std::vector<NodeId> stack_nodes_;
  bool whole_ = true;
};

// A table with one stack, number 1, of one frame that the store makes.
StackTrie SyntheticStack(absl::string_view function);
// The one that stands for all those whose names were lost.
const StackTable& LostStack();

}  // namespace pilotlight::collector
