// The trie of one block: like StackTrie, but it goes to disk in chunks and is small when only read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "profile/frame.h"
#include "profile/stack_trie.h"

namespace pilotlight::collector {

// What one append added is a chunk, one record on disk. All its numbers are varints, in columns:
//
//   first string, first frame, first node of the chunk; how many strings, frames, nodes it has
//   strings   the lengths, then the bytes of all
//   frames    function, file, mapping, line, each as the zigzag difference to the frame before; flags
//             (bits 0–3 kind, 4 inlined, 5 symbolized)
//   nodes     distance to the parent's number; frame, as the zigzag difference to the node before
//
// Where a chunk is missing (its record was corrupt) the numbers in the gap are filled with kLostName, so
// that all that is left keeps its meaning and totals stay exact; such a dictionary is damaged and must not
// be added to. Number 0 is always there, as in StackTrie. Not thread-safe.
class BlockDictionary {
 public:
  static constexpr absl::string_view kLostName = "[lost: corrupt record]";
  static constexpr uint32_t kLostNumber = UINT32_MAX;
  // Strings, frames or nodes of one dictionary: far above what a block may hold
  // (EmbeddedStoreOptions::max_dictionary_bytes) with one more window. It bounds what a broken record can
  // make us allocate.
  static constexpr uint64_t kMaxEntries = uint64_t{1} << 24;

  BlockDictionary();
  ~BlockDictionary();
  BlockDictionary(const BlockDictionary&) = delete;
  BlockDictionary& operator=(const BlockDictionary&) = delete;

  size_t string_count() const { return string_ends_.size(); }
  size_t frame_count() const { return frames_.size(); }
  size_t node_count() const { return parents_.size(); }
  absl::string_view string(StringId id) const;
  NodeId parent(NodeId node) const { return parents_[node]; }
  // May be kLostNumber, which only view() understands.
  FrameId frame_of(NodeId node) const { return node_frames_[node]; }
  // Of the node's whole stack, every field of its frames: equal stacks have equal ones in all dictionaries of
  // this process. That two stacks of ten million have the same one has a chance of 3 in a million.
  uint64_t stack_hash(NodeId node) const { return stack_hashes_[node]; }
  FrameView view(FrameId id) const;

  // Adds a chunk as read from disk, in order. DataLoss when it is broken or does not fit; nothing is added
  // then.
  absl::Status AddChunk(absl::string_view chunk);

  // As in StackTrie. REQUIRES: writable().
  StringId InternString(absl::string_view text);
  FrameId InternFrame(const Frame& frame);
  FrameId InternFrame(const FrameView& frame);
  NodeId Child(NodeId parent, FrameId frame);
  // The node with that stack_hash(). REQUIRES: writable().
  std::optional<NodeId> FindStack(uint64_t stack_hash) const;
  // The hash tables that adding needs are built on demand, as most blocks are only read.
  void MakeWritable();
  bool writable() const { return index_ != nullptr; }

  // Gives back the room that AddChunk() took ahead.
  void ShrinkToFit();

  // Encodes what was added since the last call; empty when there is nothing new.
  std::string TakeChunk();

  // Heap bytes in use, within some ten per cent.
  size_t byte_size() const;

 private:
  struct Index;
  void MarkTaken();
  // Of what was added since the last call.
  void HashNewFrames();
  void HashNewNodes();

  std::string text_;                   // all strings, one behind the other
  std::vector<uint32_t> string_ends_;  // in `text_`
  std::vector<Frame> frames_;
  std::vector<NodeId> parents_;
  std::vector<FrameId> node_frames_;
  std::vector<uint64_t> stack_hashes_;
  std::vector<uint64_t> frame_hashes_;
  std::unique_ptr<Index> index_;
  size_t taken_strings_ = 0;
  size_t taken_frames_ = 0;
  size_t taken_nodes_ = 0;
};

}  // namespace pilotlight::collector
