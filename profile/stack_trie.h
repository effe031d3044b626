// The one data structure: a folded stack is a node of a trie, (parent node, frame).
// Nodes are numbered as they are added, so a parent's number is always smaller than its child's. From this
// follow the wire (send a node once, then only its number), the store (two columns of integers), merging
// (add by number) and the flame graph (one backward pass: total[parent] += total[node]).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "profile/frame.h"

namespace pilotlight {

// The strings, frames and nodes of a trie by their numbers, each only grows. Number 0 is always there: the
// empty string, the frame without a name, the root node. Compact: for who gets the numbers from elsewhere and
// never asks for the number of something. Not thread-safe; const access may be shared.
class StackTable {
 public:
  static constexpr NodeId kRoot = 0;

  StackTable();
  StackTable(StackTable&&) = default;
  StackTable& operator=(StackTable&&) = default;
  StackTable(const StackTable&) = delete;
  StackTable& operator=(const StackTable&) = delete;

  // Differs between tables of one program: whoever keeps numbers beside a table sees by it that it is another
  // one. The contents take it along; the table that was moved from is not used any more.
  uint64_t id() const { return id_; }

  // Whether it is there already is not looked at. What is added may only name what was added before.
  StringId AddString(absl::string_view text);
  FrameId AddFrame(const Frame& frame);
  NodeId AddNode(NodeId parent, FrameId frame);

  size_t string_count() const { return strings_.size(); }
  size_t frame_count() const { return frames_.size(); }
  size_t node_count() const { return parents_.size(); }

  // The view stays valid, also when the table moves.
  absl::string_view string(StringId id) const { return strings_[id]; }
  const Frame& frame(FrameId id) const { return frames_[id]; }
  FrameView view(FrameId id) const;
  NodeId parent(NodeId node) const { return parents_[node]; }
  FrameId frame_of(NodeId node) const { return node_frames_[node]; }
  // The frames of `node`'s stack, the outermost caller first. Empty for the root.
  std::vector<FrameId> Stack(NodeId node) const;
  // See stack_hash.h.
  uint64_t frame_hash(FrameId id) const { return frame_hashes_[id]; }
  uint64_t stack_hash(NodeId node) const { return stack_hashes_[node]; }

  // Heap bytes in use, within some ten per cent.
  size_t byte_size() const;

 protected:
  void Reserve(size_t strings, size_t frames, size_t nodes);

 private:
  uint64_t id_;
  std::vector<absl::string_view> strings_;  // in the chunks
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_bytes_ = 0;     // of all chunks
  char* chunk_end_ = nullptr;  // of the last one
  size_t chunk_left_ = 0;      // before it
  std::vector<Frame> frames_;
  std::vector<uint64_t> frame_hashes_;
  std::vector<NodeId> parents_;
  std::vector<FrameId> node_frames_;
  std::vector<uint64_t> stack_hashes_;
};

// Interns strings, frames and nodes: what is there already keeps its number.
class StackTrie : public StackTable {
 public:
  StackTrie();

  StringId InternString(absl::string_view text);
  // REQUIRES: the frame's strings are of this trie.
  FrameId InternFrame(const Frame& frame);
  FrameId InternFrame(const FrameView& frame);
  // The child of `parent` for `frame`, added when it is new.
  // REQUIRES: `parent` and `frame` are of this trie.
  NodeId Child(NodeId parent, FrameId frame);

  // Takes the room for so many in all, where there is less.
  void Reserve(size_t strings, size_t frames, size_t nodes);

  size_t byte_size() const;

 private:
  // They would be there twice.
  using StackTable::AddFrame;
  using StackTable::AddNode;
  using StackTable::AddString;

  absl::flat_hash_map<absl::string_view, StringId> string_ids_;  // views of the table's strings
  absl::flat_hash_map<Frame, FrameId> frame_ids_;
  absl::flat_hash_map<std::pair<NodeId, FrameId>, NodeId> children_;
};

// Adds nodes of one table to a trie and remembers what it has added, so that mapping n samples costs
// O(n + new nodes). Both must outlive it; `from` may grow between calls.
class TrieMapper {
 public:
  TrieMapper(const StackTable& from, StackTrie& to) : from_(from), to_(to) {}

  NodeId MapNode(NodeId node);
  FrameId MapFrame(FrameId frame);
  StringId MapString(StringId text);

 private:
  static constexpr uint32_t kUnmapped = UINT32_MAX;
  const StackTable& from_;
  StackTrie& to_;
  std::vector<NodeId> nodes_;
  std::vector<FrameId> frames_;
  std::vector<StringId> strings_;
};

}  // namespace pilotlight
