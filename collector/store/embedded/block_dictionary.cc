#include "collector/store/embedded/block_dictionary.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/frame_flags.h"
#include "profile/stack_hash.h"

namespace pilotlight::collector {
namespace {

// Reads `entries.size()` differences; false when a number is not below `limit`.
template <typename Entry, typename Set>
bool ReadColumn(ByteReader& reader, std::vector<Entry>& entries, uint64_t limit, Set set) {
  uint64_t value = 0;
  for (Entry& entry : entries) {
    value += static_cast<uint64_t>(reader.Zigzag());
    if (value >= limit) return false;
    set(entry, static_cast<uint32_t>(value));
  }
  return reader.ok();
}

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("broken dictionary record: ", what));
}

FrameView LostFrame() { return {.function = BlockDictionary::kLostName, .kind = FrameKind::kSynthetic}; }

}  // namespace

BlockDictionary::BlockDictionary()
    : string_ends_{0},
      frames_{Frame{}},
      parents_{StackTrie::kRoot},
      node_frames_{0},
      stack_nodes_{StackTrie::kRoot} {}

absl::string_view BlockDictionary::string(StringId id) const {
  if (id == 0) return {};
  if (id == kLostNumber) return kLostName;
  const size_t begin = string_ends_[id - 1];
  const size_t size = string_ends_[id] - begin;
  // Only number 0 is the empty string, so another one is in a gap.
  return size == 0 ? kLostName : absl::string_view(text_).substr(begin, size);
}

FrameView BlockDictionary::view(FrameId id) const {
  const Frame* const known = frame(id);
  if (known == nullptr) return LostFrame();
  return FrameView{.function = string(known->function),
                   .file = string(known->file),
                   .mapping = string(known->mapping),
                   .line = known->line,
                   .start_line = known->start_line,
                   .kind = known->kind,
                   .inlined = known->inlined,
                   .symbolized = known->symbolized};
}

uint64_t BlockDictionary::frame_hash(FrameId id) const { return HashFrame(view(id)); }

uint64_t BlockDictionary::stack_hash(NodeId node) const {
  std::vector<FrameId> path;
  for (; node != StackTable::kRoot; node = parent(node)) path.push_back(frame_of(node));
  uint64_t hash = kRootStackHash;
  for (size_t i = path.size(); i-- > 0;) hash = HashStack(hash, frame_hash(path[i]));
  return hash;
}

absl::Status BlockDictionary::AddChunk(absl::string_view chunk) {
  ByteReader reader(chunk);
  const uint64_t first_string = reader.VarintUpTo(kMaxEntries);
  const uint64_t first_frame = reader.VarintUpTo(kMaxEntries);
  const uint64_t first_node = reader.VarintUpTo(kMaxEntries);
  const uint64_t first_stack = reader.VarintUpTo(kMaxEntries);
  const size_t strings = reader.Count(1);
  const size_t frames = reader.Count(6);
  const size_t nodes = reader.Count(2);
  const size_t stacks = reader.Count(1);
  if (!reader.ok()) return Broken("bad counts");
  if (first_string < string_count() || first_frame < frame_count() || first_node < node_count() ||
      first_stack < stack_count()) {
    return Broken("its numbers are taken");
  }
  const uint64_t all_strings = first_string + strings;
  const uint64_t all_frames = first_frame + frames;
  const uint64_t all_nodes = first_node + nodes;
  if (all_strings > kMaxEntries || all_frames > kMaxEntries || all_nodes > kMaxEntries ||
      first_stack + stacks > kMaxEntries) {
    return Broken("too many entries");
  }

  std::vector<uint32_t> sizes(strings);
  uint64_t text_size = 0;
  for (uint32_t& size : sizes) {
    size = static_cast<uint32_t>(reader.VarintUpTo(chunk.size()));
    text_size += size;
  }
  const absl::string_view text = reader.Bytes(text_size);
  std::vector<Frame> new_frames(frames);
  const bool strings_known =
      ReadColumn(reader, new_frames, all_strings, [](Frame& f, uint32_t value) { f.function = value; }) &&
      ReadColumn(reader, new_frames, all_strings, [](Frame& f, uint32_t value) { f.file = value; }) &&
      ReadColumn(reader, new_frames, all_strings, [](Frame& f, uint32_t value) { f.mapping = value; });
  if (!strings_known) return Broken("a frame names an unknown string");
  if (!ReadColumn(reader, new_frames, uint64_t{1} << 32, [](Frame& f, uint32_t value) { f.line = value; })) {
    return Broken("a bad line number");
  }
  for (Frame& frame : new_frames) {
    const uint64_t start_line = frame.line - static_cast<uint64_t>(reader.Zigzag());
    if (start_line > kMaxStartLine) return Broken("a function begins at a bad line");
    frame.start_line = start_line & kMaxStartLine;
  }
  for (Frame& frame : new_frames) {
    if (!SetFlags(reader.Varint(), frame)) return Broken("a frame has unknown flags");
  }
  std::vector<NodeId> new_parents(nodes);
  for (size_t i = 0; i < nodes; ++i) {
    const uint64_t distance = reader.VarintUpTo(first_node + i);
    if (distance == 0) return Broken("a node stands before its parent");
    new_parents[i] = static_cast<NodeId>(first_node + i - distance);
  }
  std::vector<FrameId> new_node_frames(nodes);
  if (!ReadColumn(reader, new_node_frames, all_frames, [](FrameId& f, uint32_t value) { f = value; })) {
    return Broken("a node names an unknown frame");
  }
  std::vector<NodeId> new_stack_nodes(stacks);
  if (!ReadColumn(reader, new_stack_nodes, all_nodes, [](NodeId& n, uint32_t value) { n = value; })) {
    return Broken("a stack names an unknown node");
  }
  if (!reader.done()) return Broken("wrong length");
  if (text_.size() + text_size > std::numeric_limits<uint32_t>::max()) return Broken("too much text");

  whole_ &= first_string == string_count() && first_frame == frame_count() && first_node == node_count() &&
            first_stack == stack_count();
  string_ends_.resize(first_string, string_ends_.back());
  frames_.resize(first_frame, Frame{.function = kLostNumber});
  parents_.resize(first_node, StackTrie::kRoot);
  node_frames_.resize(first_node, kLostNumber);
  stack_nodes_.resize(first_stack, kLostNumber);
  for (const uint32_t size : sizes) string_ends_.push_back(string_ends_.back() + size);
  text_.append(text.data(), text.size());
  frames_.insert(frames_.end(), new_frames.begin(), new_frames.end());
  parents_.insert(parents_.end(), new_parents.begin(), new_parents.end());
  node_frames_.insert(node_frames_.end(), new_node_frames.begin(), new_node_frames.end());
  stack_nodes_.insert(stack_nodes_.end(), new_stack_nodes.begin(), new_stack_nodes.end());
  return absl::OkStatus();
}

void BlockDictionary::ShrinkToFit() {
  text_.shrink_to_fit();
  string_ends_.shrink_to_fit();
  frames_.shrink_to_fit();
  parents_.shrink_to_fit();
  node_frames_.shrink_to_fit();
  stack_nodes_.shrink_to_fit();
}

size_t BlockDictionary::byte_size() const {
  return text_.capacity() + frames_.capacity() * sizeof(Frame) +
         (string_ends_.capacity() + parents_.capacity() + node_frames_.capacity() + stack_nodes_.capacity()) *
             sizeof(uint32_t);
}

StackTrie SyntheticStack(absl::string_view function) {
  StackTrie trie;
  trie.Child(StackTrie::kRoot,
             trie.InternFrame(FrameView{.function = function, .kind = FrameKind::kSynthetic}));
  return trie;
}

const StackTable& LostStack() {
  static const auto* const table = new StackTrie(SyntheticStack(BlockDictionary::kLostName));
  return *table;
}

}  // namespace pilotlight::collector
