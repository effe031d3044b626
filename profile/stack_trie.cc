#include "profile/stack_trie.h"

#include <algorithm>
#include <atomic>

#include "profile/stack_hash.h"

namespace pilotlight {

StackTable::StackTable() {
  static std::atomic<uint64_t> next_id{1};
  id_ = next_id.fetch_add(1, std::memory_order_relaxed);
  AddString("");
  AddFrame(Frame{});
  parents_.push_back(kRoot);
  node_frames_.push_back(0);
  stack_hashes_.push_back(kRootStackHash);
}

StringId StackTable::AddString(absl::string_view text) {
  if (text.size() > chunk_left_) {
    // Chunks grow with the table, so that neither their number nor what is left over in them gets large.
    constexpr size_t kMinChunk = 256;
    constexpr size_t kMaxChunk = 64 << 10;
    chunk_left_ = std::max(text.size(), std::clamp(chunk_bytes_ / 4, kMinChunk, kMaxChunk));
    chunks_.push_back(std::make_unique<char[]>(chunk_left_));
    chunk_bytes_ += chunk_left_;
    chunk_end_ = chunks_.back().get() + chunk_left_;
  }
  char* const stored = chunk_end_ - chunk_left_;
  std::copy(text.begin(), text.end(), stored);
  chunk_left_ -= text.size();
  strings_.emplace_back(stored, text.size());
  return static_cast<StringId>(strings_.size() - 1);
}

FrameId StackTable::AddFrame(const Frame& frame) {
  frames_.push_back(frame);
  frame_hashes_.push_back(HashFrame(view(static_cast<FrameId>(frames_.size() - 1))));
  return static_cast<FrameId>(frames_.size() - 1);
}

NodeId StackTable::AddNode(NodeId parent, FrameId frame) {
  parents_.push_back(parent);
  node_frames_.push_back(frame);
  stack_hashes_.push_back(HashStack(stack_hashes_[parent], frame_hashes_[frame]));
  return static_cast<NodeId>(parents_.size() - 1);
}

FrameView StackTable::view(FrameId id) const {
  const Frame& frame = frames_[id];
  return FrameView{.function = strings_[frame.function],
                   .file = strings_[frame.file],
                   .mapping = strings_[frame.mapping],
                   .line = frame.line,
                   .start_line = frame.start_line,
                   .kind = frame.kind,
                   .inlined = frame.inlined,
                   .symbolized = frame.symbolized};
}

void StackTable::Reserve(size_t strings, size_t frames, size_t nodes) {
  strings_.reserve(strings);
  frames_.reserve(frames);
  frame_hashes_.reserve(frames);
  parents_.reserve(nodes);
  node_frames_.reserve(nodes);
  stack_hashes_.reserve(nodes);
}

std::vector<FrameId> StackTable::Stack(NodeId node) const {
  std::vector<FrameId> frames;
  for (; node != kRoot; node = parents_[node]) frames.push_back(node_frames_[node]);
  std::reverse(frames.begin(), frames.end());
  return frames;
}

size_t StackTable::byte_size() const {
  return chunk_bytes_ + strings_.capacity() * sizeof(absl::string_view) + frames_.capacity() * sizeof(Frame) +
         (parents_.capacity() + node_frames_.capacity()) * sizeof(uint32_t) +
         (frame_hashes_.capacity() + stack_hashes_.capacity()) * sizeof(uint64_t);
}

StackTrie::StackTrie() {
  string_ids_.emplace(string(0), 0);
  frame_ids_.emplace(frame(0), 0);
}

StringId StackTrie::InternString(absl::string_view text) {
  if (const auto found = string_ids_.find(text); found != string_ids_.end()) return found->second;
  const StringId id = AddString(text);
  string_ids_.emplace(string(id), id);
  return id;
}

FrameId StackTrie::InternFrame(const Frame& frame) {
  const auto [entry, added] = frame_ids_.try_emplace(frame, static_cast<FrameId>(frame_count()));
  if (added) AddFrame(frame);
  return entry->second;
}

FrameId StackTrie::InternFrame(const FrameView& view) {
  Frame frame = WithoutStrings(view);
  frame.function = InternString(view.function);
  frame.file = InternString(view.file);
  frame.mapping = InternString(view.mapping);
  return InternFrame(frame);
}

NodeId StackTrie::Child(NodeId parent, FrameId frame) {
  const auto [entry, added] =
      children_.try_emplace(std::make_pair(parent, frame), static_cast<NodeId>(node_count()));
  if (added) AddNode(parent, frame);
  return entry->second;
}

void StackTrie::Reserve(size_t strings, size_t frames, size_t nodes) {
  StackTable::Reserve(strings, frames, nodes);
  string_ids_.reserve(strings);
  frame_ids_.reserve(frames);
  children_.reserve(nodes);
}

size_t StackTrie::byte_size() const {
  constexpr size_t kControlByte = 1;  // of absl's tables, per slot
  return StackTable::byte_size() +
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
