#include "profile/stack_trie.h"

#include <algorithm>
#include <atomic>

namespace pilotlight {

StackTrie::StackTrie() {
  static std::atomic<uint64_t> next_id{1};
  id_ = next_id.fetch_add(1, std::memory_order_relaxed);
  InternString("");
  InternFrame(Frame{});
  parents_.push_back(kRoot);
  node_frames_.push_back(0);
}

StringId StackTrie::InternString(absl::string_view text) {
  if (const auto found = string_ids_.find(text); found != string_ids_.end()) return found->second;
  const auto id = static_cast<StringId>(strings_.size());
  const std::string& stored = strings_.emplace_back(text);
  string_bytes_ += sizeof(std::string) + stored.size();
  string_ids_.emplace(stored, id);
  return id;
}

FrameId StackTrie::InternFrame(const Frame& frame) {
  const auto [entry, added] = frame_ids_.try_emplace(frame, static_cast<FrameId>(frames_.size()));
  if (added) frames_.push_back(frame);
  return entry->second;
}

FrameId StackTrie::InternFrame(const FrameView& frame) {
  return InternFrame(Frame{.function = InternString(frame.function),
                           .file = InternString(frame.file),
                           .mapping = InternString(frame.mapping),
                           .line = frame.line,
                           .kind = frame.kind,
                           .inlined = frame.inlined,
                           .symbolized = frame.symbolized});
}

NodeId StackTrie::Child(NodeId parent, FrameId frame) {
  const auto [entry, added] =
      children_.try_emplace(std::make_pair(parent, frame), static_cast<NodeId>(parents_.size()));
  if (added) {
    parents_.push_back(parent);
    node_frames_.push_back(frame);
  }
  return entry->second;
}

FrameView StackTrie::view(FrameId id) const {
  const Frame& frame = frames_[id];
  return FrameView{.function = strings_[frame.function],
                   .file = strings_[frame.file],
                   .mapping = strings_[frame.mapping],
                   .line = frame.line,
                   .kind = frame.kind,
                   .inlined = frame.inlined,
                   .symbolized = frame.symbolized};
}

std::vector<FrameId> StackTrie::Stack(NodeId node) const {
  std::vector<FrameId> frames;
  for (; node != kRoot; node = parents_[node]) frames.push_back(node_frames_[node]);
  std::reverse(frames.begin(), frames.end());
  return frames;
}

size_t StackTrie::byte_size() const {
  constexpr size_t kControlByte = 1;  // of absl's tables, per slot
  return string_bytes_ + frames_.capacity() * sizeof(Frame) +
         (parents_.capacity() + node_frames_.capacity()) * sizeof(uint32_t) +
         string_ids_.capacity() * (sizeof(std::pair<absl::string_view, StringId>) + kControlByte) +
         frame_ids_.capacity() * (sizeof(std::pair<Frame, FrameId>) + kControlByte) +
         children_.capacity() * (3 * sizeof(uint32_t) + kControlByte);
}

StringId TrieMapper::MapString(StringId text) {
  if (text >= strings_.size()) strings_.resize(from_.string_count(), kUnmapped);
  StringId& mapped = strings_[text];
  if (mapped == kUnmapped) mapped = to_.InternString(from_.string(text));
  return mapped;
}

FrameId TrieMapper::MapFrame(FrameId frame) {
  if (frame >= frames_.size()) frames_.resize(from_.frame_count(), kUnmapped);
  if (frames_[frame] == kUnmapped) {
    Frame copy = from_.frame(frame);
    copy.function = MapString(copy.function);
    copy.file = MapString(copy.file);
    copy.mapping = MapString(copy.mapping);
    frames_[frame] = to_.InternFrame(copy);
  }
  return frames_[frame];
}

NodeId TrieMapper::MapNode(NodeId node) {
  if (node >= nodes_.size()) nodes_.resize(from_.node_count(), kUnmapped);
  nodes_[StackTrie::kRoot] = StackTrie::kRoot;
  std::vector<NodeId> unmapped;
  NodeId ancestor = node;
  for (; nodes_[ancestor] == kUnmapped; ancestor = from_.parent(ancestor)) unmapped.push_back(ancestor);
  NodeId mapped = nodes_[ancestor];
  for (; !unmapped.empty(); unmapped.pop_back()) {
    mapped = to_.Child(mapped, MapFrame(from_.frame_of(unmapped.back())));
    nodes_[unmapped.back()] = mapped;
  }
  return mapped;
}

}  // namespace pilotlight
