#include "collector/store/embedded/dictionary_writer.h"

#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/frame_flags.h"
#include "profile/stack_hash.h"

namespace pilotlight::collector {
namespace {

template <typename Entry, typename Field>
void AppendColumn(const std::vector<Entry>& entries, Field field, std::string& out) {
  int64_t previous = 0;
  for (const Entry& entry : entries) {
    const auto value = static_cast<int64_t>(field(entry));
    AppendZigzag(out, value - previous);
    previous = value;
  }
}

}  // namespace

DictionaryWriter::DictionaryWriter(const BlockDictionary& dictionary)
    : node_count_(dictionary.node_count()), stack_count_(dictionary.stack_count()) {
  strings_.MakeSearchable();
  frames_.MakeSearchable();
  anchors_.MakeSearchable();
  for (StringId id = 0; id < dictionary.string_count(); ++id) strings_.Add(HashString(dictionary.string(id)));
  for (FrameId id = 0; id < dictionary.frame_count(); ++id) frames_.Add(dictionary.frame_hash(id));
  std::vector<uint64_t> hashes(node_count_, kRootStackHash);
  std::vector<uint32_t> depths(node_count_);
  for (NodeId node = 1; node < node_count_; ++node) {
    const FrameId frame = dictionary.frame_of(node);
    const uint64_t frame_hash =
        frame == BlockDictionary::kLostNumber ? dictionary.frame_hash(frame) : frames_.at(frame);
    const NodeId parent = dictionary.parent(node);
    hashes[node] = HashStack(hashes[parent], frame_hash);
    depths[node] = depths[parent] + 1;
    AddAnchor(node, depths[node], hashes[node]);
  }
}

void DictionaryWriter::AddAnchor(NodeId node, size_t depth, uint64_t stack_hash) {
  if (!IsAnchor(depth, stack_hash)) return;
  anchors_.Add(stack_hash);
  anchor_nodes_.push_back(node);
}

StringId DictionaryWriter::Intern(absl::string_view text) {
  const uint64_t hash = HashString(text);
  if (const auto known = strings_.Find(hash)) return *known;
  new_string_sizes_.push_back(static_cast<uint32_t>(text.size()));
  new_text_.append(text.data(), text.size());
  return strings_.Add(hash);
}

template <typename Table>
FrameId DictionaryWriter::Intern(const Table& from, FrameId frame, uint64_t hash) {
  if (const auto known = frames_.Find(hash)) return *known;
  const FrameView view = from.view(frame);
  // In the order of writing.
  Frame added = WithoutStrings(view);
  added.function = Intern(view.function);
  added.file = Intern(view.file);
  added.mapping = Intern(view.mapping);
  new_frames_.push_back(added);
  return frames_.Add(hash);
}

template <typename Table>
void DictionaryWriter::AddStack(const Table& from, NodeId node) {
  path_.clear();
  for (; node != StackTable::kRoot; node = from.parent(node)) path_.push_back(from.frame_of(node));
  frame_hashes_.resize(path_.size());
  stack_hashes_.resize(path_.size());
  uint64_t hash = kRootStackHash;
  for (size_t i = path_.size(); i-- > 0;) {
    frame_hashes_[i] = from.frame_hash(path_[i]);
    hash = stack_hashes_[i] = HashStack(hash, frame_hashes_[i]);
  }
  NodeId mapped = StackTable::kRoot;
  size_t missing = path_.size();
  for (size_t i = 0; i < path_.size(); ++i) {
    if (!IsAnchor(path_.size() - i, stack_hashes_[i])) continue;
    const auto anchor = anchors_.Find(stack_hashes_[i]);
    if (!anchor) continue;
    mapped = anchor_nodes_[*anchor];
    missing = i;
    break;
  }
  for (size_t i = missing; i-- > 0;) {
    new_nodes_.push_back({mapped, Intern(from, path_[i], frame_hashes_[i])});
    mapped = static_cast<NodeId>(node_count_++);
    AddAnchor(mapped, path_.size() - i, stack_hashes_[i]);
  }
  new_stacks_.push_back(mapped);
  ++stack_count_;
}

template void DictionaryWriter::AddStack(const StackTable&, NodeId);
template void DictionaryWriter::AddStack(const BlockDictionary&, NodeId);

std::string DictionaryWriter::TakeChunk() {
  std::string out;
  if (new_stacks_.empty()) return out;
  const size_t first_node = node_count_ - new_nodes_.size();
  AppendVarint(out, strings_.size() - new_string_sizes_.size());
  AppendVarint(out, frames_.size() - new_frames_.size());
  AppendVarint(out, first_node);
  AppendVarint(out, stack_count_ - new_stacks_.size());
  AppendVarint(out, new_string_sizes_.size());
  AppendVarint(out, new_frames_.size());
  AppendVarint(out, new_nodes_.size());
  AppendVarint(out, new_stacks_.size());
  for (const uint32_t size : new_string_sizes_) AppendVarint(out, size);
  out.append(new_text_);
  AppendColumn(
      new_frames_, [](const Frame& f) { return f.function; }, out);
  AppendColumn(
      new_frames_, [](const Frame& f) { return f.file; }, out);
  AppendColumn(
      new_frames_, [](const Frame& f) { return f.mapping; }, out);
  AppendColumn(
      new_frames_, [](const Frame& f) { return f.line; }, out);
  for (const Frame& frame : new_frames_) AppendZigzag(out, int64_t{frame.line} - int64_t{frame.start_line});
  for (const Frame& frame : new_frames_) AppendVarint(out, FlagsOf(frame));
  for (size_t i = 0; i < new_nodes_.size(); ++i) AppendVarint(out, first_node + i - new_nodes_[i].parent);
  AppendColumn(
      new_nodes_, [](const Node& n) { return n.frame; }, out);
  AppendColumn(
      new_stacks_, [](NodeId n) { return n; }, out);
  // A block's first chunk is large, the later ones are small.
  new_string_sizes_ = {};
  new_text_ = {};
  new_frames_ = {};
  new_nodes_ = {};
  new_stacks_ = {};
  return out;
}

size_t DictionaryWriter::byte_size() const {
  return strings_.byte_size() + frames_.byte_size() + anchors_.byte_size() +
         (anchor_nodes_.capacity() + new_stacks_.capacity()) * sizeof(NodeId) + new_text_.capacity() +
         new_frames_.capacity() * sizeof(Frame) + new_nodes_.capacity() * sizeof(Node);
}

}  // namespace pilotlight::collector
