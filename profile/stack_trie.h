// The one data structure: a folded stack is a node of a trie, (parent node, frame).
// Nodes are numbered as they are added, so a parent's number is always smaller than its child's. From this
// follow the wire (send a node once, then only its number), the store (two columns of integers), merging
// (add by number) and the flame graph (one backward pass: total[parent] += total[node]).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "profile/frame.h"

namespace pilotlight {

// Interns strings, frames and nodes; each only grows. Number 0 is always there: the empty string, the
// frame without a name, the root node. Not thread-safe; const access may be shared.
class StackTrie {
 public:
  static constexpr NodeId kRoot = 0;

  StackTrie();
  // The contents take their id() along; the trie that was moved from is not used any more.
  StackTrie(StackTrie&&) = default;
  StackTrie& operator=(StackTrie&&) = default;
  StackTrie(const StackTrie&) = delete;
  StackTrie& operator=(const StackTrie&) = delete;

  // Differs between tries of one program: whoever keeps ids beside a trie sees by it that it is another one.
  uint64_t id() const { return id_; }

  StringId InternString(absl::string_view text);
  // REQUIRES: the frame's strings are of this trie.
  FrameId InternFrame(const Frame& frame);
  FrameId InternFrame(const FrameView& frame);
  // The child of `parent` for `frame`, added when it is new.
  // REQUIRES: `parent` and `frame` are of this trie.
  NodeId Child(NodeId parent, FrameId frame);

  size_t string_count() const { return strings_.size(); }
  size_t frame_count() const { return frames_.size(); }
  size_t node_count() const { return parents_.size(); }

  absl::string_view string(StringId id) const { return strings_[id]; }
  const Frame& frame(FrameId id) const { return frames_[id]; }
  FrameView view(FrameId id) const;
  NodeId parent(NodeId node) const { return parents_[node]; }
  FrameId frame_of(NodeId node) const { return node_frames_[node]; }
  // The frames of `node`'s stack, the outermost caller first. Empty for the root.
  std::vector<FrameId> Stack(NodeId node) const;

  // Heap bytes in use, within some ten per cent.
  size_t byte_size() const;

 private:
  uint64_t id_;
  // A deque never moves its elements, so the keys of `string_ids_` stay valid, also when the trie moves.
  std::deque<std::string> strings_;
  size_t string_bytes_ = 0;
  std::vector<Frame> frames_;
  std::vector<NodeId> parents_;
  std::vector<FrameId> node_frames_;
  absl::flat_hash_map<absl::string_view, StringId> string_ids_;
  absl::flat_hash_map<Frame, FrameId> frame_ids_;
  absl::flat_hash_map<std::pair<NodeId, FrameId>, NodeId> children_;
};

// Adds nodes of one trie to another and remembers what it has added, so that mapping n samples costs
// O(n + new nodes). Both tries must outlive it; `from` may grow between calls.
class TrieMapper {
 public:
  TrieMapper(const StackTrie& from, StackTrie& to) : from_(from), to_(to) {}

  NodeId MapNode(NodeId node);
  FrameId MapFrame(FrameId frame);
  StringId MapString(StringId text);

 private:
  static constexpr uint32_t kUnmapped = UINT32_MAX;
  const StackTrie& from_;
  StackTrie& to_;
  std::vector<NodeId> nodes_;
  std::vector<FrameId> frames_;
  std::vector<StringId> strings_;
};

}  // namespace pilotlight
