#include "collector/store/embedded/block_dictionary.h"

#include <limits>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "collector/store/embedded/bytes.h"

namespace pilotlight::collector {
namespace {

constexpr uint32_t kKindMask = 0xf;
constexpr uint32_t kInlinedBit = 1u << 4;
constexpr uint32_t kSymbolizedBit = 1u << 5;
constexpr uint32_t kKnownFlags = kKindMask | kInlinedBit | kSymbolizedBit;

uint32_t FlagsOf(const Frame& frame) {
  return static_cast<uint32_t>(frame.kind) | (frame.inlined ? kInlinedBit : 0) |
         (frame.symbolized ? kSymbolizedBit : 0);
}

template <typename Entry, typename Field>
void AppendColumn(const std::vector<Entry>& entries, size_t first, Field field, std::string& out) {
  int64_t previous = 0;
  for (size_t i = first; i < entries.size(); ++i) {
    const auto value = static_cast<int64_t>(field(entries[i]));
    AppendZigzag(out, value - previous);
    previous = value;
  }
}

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

// Grows by an eighth at a time: there may be thousands of dictionaries, and doubling leaves half of them
// empty.
template <typename Column>
void MakeRoom(Column& column, size_t more) {
  const size_t needed = column.size() + more;
  if (needed > column.capacity()) column.reserve(needed + needed / 8);
}

uint64_t HashOfChild(uint64_t parent_stack_hash, uint64_t frame_hash) {
  return absl::HashOf(parent_stack_hash, frame_hash);
}

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("broken dictionary record: ", what));
}

}  // namespace

// Strings and frames are found by number: the table holds numbers and hashes what stands behind them.
struct BlockDictionary::Index {
  struct StringHash {
    using is_transparent = void;
    const BlockDictionary* dictionary;
    size_t operator()(absl::string_view text) const { return absl::HashOf(text); }
    size_t operator()(StringId id) const { return absl::HashOf(dictionary->string(id)); }
  };
  struct StringEqual {
    using is_transparent = void;
    const BlockDictionary* dictionary;
    bool operator()(StringId a, StringId b) const { return a == b; }
    bool operator()(StringId a, absl::string_view b) const { return dictionary->string(a) == b; }
    bool operator()(absl::string_view a, StringId b) const { return dictionary->string(b) == a; }
  };
  struct FrameHash {
    using is_transparent = void;
    const BlockDictionary* dictionary;
    size_t operator()(const Frame& frame) const { return absl::HashOf(frame); }
    size_t operator()(FrameId id) const { return absl::HashOf(dictionary->frames_[id]); }
  };
  struct FrameEqual {
    using is_transparent = void;
    const BlockDictionary* dictionary;
    bool operator()(FrameId a, FrameId b) const { return a == b; }
    bool operator()(FrameId a, const Frame& b) const { return dictionary->frames_[a] == b; }
    bool operator()(const Frame& a, FrameId b) const { return dictionary->frames_[b] == a; }
  };

  // A child is looked for by what it is, or by its hash alone.
  struct ChildKey {
    NodeId parent;
    FrameId frame;
    uint64_t stack_hash;
  };
  struct NodeHash {
    using is_transparent = void;
    const BlockDictionary* dictionary;
    size_t operator()(const ChildKey& child) const { return child.stack_hash; }
    size_t operator()(uint64_t stack_hash) const { return stack_hash; }
    size_t operator()(NodeId node) const { return dictionary->stack_hashes_[node]; }
  };
  struct NodeEqual {
    using is_transparent = void;
    const BlockDictionary* dictionary;
    bool operator()(NodeId a, NodeId b) const { return a == b; }
    bool operator()(NodeId a, const ChildKey& b) const {
      return dictionary->parents_[a] == b.parent && dictionary->node_frames_[a] == b.frame;
    }
    bool operator()(NodeId a, uint64_t stack_hash) const {
      return dictionary->stack_hashes_[a] == stack_hash;
    }
  };

  explicit Index(const BlockDictionary* dictionary)
      : strings(0, StringHash{dictionary}, StringEqual{dictionary}),
        frames(0, FrameHash{dictionary}, FrameEqual{dictionary}),
        nodes(0, NodeHash{dictionary}, NodeEqual{dictionary}) {}

  absl::flat_hash_set<StringId, StringHash, StringEqual> strings;
  absl::flat_hash_set<FrameId, FrameHash, FrameEqual> frames;
  absl::flat_hash_set<NodeId, NodeHash, NodeEqual> nodes;
};

BlockDictionary::BlockDictionary()
    : string_ends_{0}, frames_{Frame{}}, parents_{StackTrie::kRoot}, node_frames_{0} {
  taken_strings_ = taken_frames_ = taken_nodes_ = 1;
  HashNewFrames();
  HashNewNodes();
}

BlockDictionary::~BlockDictionary() = default;

absl::string_view BlockDictionary::string(StringId id) const {
  if (id == 0) return {};
  if (id == kLostNumber) return kLostName;
  const size_t begin = string_ends_[id - 1];
  const size_t size = string_ends_[id] - begin;
  // Only number 0 is the empty string, so another one is in a gap.
  return size == 0 ? kLostName : absl::string_view(text_).substr(begin, size);
}

FrameView BlockDictionary::view(FrameId id) const {
  if (id == kLostNumber || frames_[id].function == kLostNumber) {
    return FrameView{.function = kLostName, .kind = FrameKind::kSynthetic};
  }
  const Frame& frame = frames_[id];
  return FrameView{.function = string(frame.function),
                   .file = string(frame.file),
                   .mapping = string(frame.mapping),
                   .line = frame.line,
                   .kind = frame.kind,
                   .inlined = frame.inlined,
                   .symbolized = frame.symbolized};
}

absl::Status BlockDictionary::AddChunk(absl::string_view chunk) {
  ByteReader reader(chunk);
  const uint64_t first_string = reader.VarintUpTo(kMaxEntries);
  const uint64_t first_frame = reader.VarintUpTo(kMaxEntries);
  const uint64_t first_node = reader.VarintUpTo(kMaxEntries);
  const size_t strings = reader.Count(1);
  const size_t frames = reader.Count(5);
  const size_t nodes = reader.Count(2);
  if (!reader.ok()) return Broken("bad counts");
  if (first_string < string_count() || first_frame < frame_count() || first_node < node_count()) {
    return Broken("its numbers are taken");
  }
  const uint64_t all_strings = first_string + strings;
  const uint64_t all_frames = first_frame + frames;
  if (all_strings > kMaxEntries || all_frames > kMaxEntries || first_node + nodes > kMaxEntries) {
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
    const uint64_t flags = reader.Varint();
    if ((flags & ~uint64_t{kKnownFlags}) != 0 ||
        (flags & kKindMask) > static_cast<uint64_t>(FrameKind::kSynthetic)) {
      return Broken("a frame has unknown flags");
    }
    frame.kind = static_cast<FrameKind>(flags & kKindMask);
    frame.inlined = (flags & kInlinedBit) != 0;
    frame.symbolized = (flags & kSymbolizedBit) != 0;
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
  if (!reader.done()) return Broken("wrong length");
  if (text_.size() + text_size > std::numeric_limits<uint32_t>::max()) return Broken("too much text");

  string_ends_.resize(first_string, string_ends_.back());
  frames_.resize(first_frame, Frame{.function = kLostNumber});
  parents_.resize(first_node, StackTrie::kRoot);
  node_frames_.resize(first_node, kLostNumber);
  for (const uint32_t size : sizes) string_ends_.push_back(string_ends_.back() + size);
  text_.append(text.data(), text.size());
  frames_.insert(frames_.end(), new_frames.begin(), new_frames.end());
  parents_.insert(parents_.end(), new_parents.begin(), new_parents.end());
  node_frames_.insert(node_frames_.end(), new_node_frames.begin(), new_node_frames.end());
  HashNewFrames();
  HashNewNodes();
  MarkTaken();
  return absl::OkStatus();
}

void BlockDictionary::HashNewFrames() {
  for (auto id = static_cast<FrameId>(frame_hashes_.size()); id < frames_.size(); ++id) {
    const FrameView frame = view(id);
    frame_hashes_.push_back(absl::HashOf(frame.function, frame.file, frame.mapping, frame.line, frame.kind,
                                         frame.inlined, frame.symbolized));
  }
}

void BlockDictionary::HashNewNodes() {
  for (auto node = static_cast<NodeId>(stack_hashes_.size()); node < parents_.size(); ++node) {
    if (node == StackTrie::kRoot) {
      stack_hashes_.push_back(0);
      continue;
    }
    const FrameId frame = node_frames_[node];
    // What fills a gap is one frame, as view() has it; a gap's frames hash as such.
    const uint64_t frame_hash = frame == kLostNumber ? absl::HashOf(kLostName) : frame_hashes_[frame];
    stack_hashes_.push_back(HashOfChild(stack_hashes_[parents_[node]], frame_hash));
  }
}

void BlockDictionary::MarkTaken() {
  taken_strings_ = string_count();
  taken_frames_ = frame_count();
  taken_nodes_ = node_count();
}

void BlockDictionary::MakeWritable() {
  if (writable()) return;
  index_ = std::make_unique<Index>(this);
  index_->strings.reserve(string_count());
  index_->frames.reserve(frame_count());
  for (StringId i = 0; i < string_count(); ++i) index_->strings.insert(i);
  for (FrameId i = 0; i < frame_count(); ++i) index_->frames.insert(i);
  index_->nodes.reserve(node_count());
  for (NodeId i = 0; i < node_count(); ++i) index_->nodes.insert(i);
}

StringId BlockDictionary::InternString(absl::string_view text) {
  if (const auto found = index_->strings.find(text); found != index_->strings.end()) return *found;
  const auto id = static_cast<StringId>(string_count());
  MakeRoom(text_, text.size());
  MakeRoom(string_ends_, 1);
  text_.append(text.data(), text.size());
  string_ends_.push_back(static_cast<uint32_t>(text_.size()));
  index_->strings.insert(id);
  return id;
}

FrameId BlockDictionary::InternFrame(const Frame& frame) {
  if (const auto found = index_->frames.find(frame); found != index_->frames.end()) return *found;
  const auto id = static_cast<FrameId>(frame_count());
  MakeRoom(frames_, 1);
  MakeRoom(frame_hashes_, 1);
  frames_.push_back(frame);
  HashNewFrames();
  index_->frames.insert(id);
  return id;
}

FrameId BlockDictionary::InternFrame(const FrameView& frame) {
  return InternFrame(Frame{.function = InternString(frame.function),
                           .file = InternString(frame.file),
                           .mapping = InternString(frame.mapping),
                           .line = frame.line,
                           .kind = frame.kind,
                           .inlined = frame.inlined,
                           .symbolized = frame.symbolized});
}

NodeId BlockDictionary::Child(NodeId parent, FrameId frame) {
  const Index::ChildKey child = {parent, frame, HashOfChild(stack_hashes_[parent], frame_hashes_[frame])};
  if (const auto found = index_->nodes.find(child); found != index_->nodes.end()) return *found;
  const auto node = static_cast<NodeId>(node_count());
  MakeRoom(parents_, 1);
  MakeRoom(node_frames_, 1);
  MakeRoom(stack_hashes_, 1);
  parents_.push_back(parent);
  node_frames_.push_back(frame);
  stack_hashes_.push_back(child.stack_hash);
  index_->nodes.insert(node);
  return node;
}

std::optional<NodeId> BlockDictionary::FindStack(uint64_t stack_hash) const {
  const auto found = index_->nodes.find(stack_hash);
  if (found == index_->nodes.end()) return std::nullopt;
  return *found;
}

void BlockDictionary::ShrinkToFit() {
  text_.shrink_to_fit();
  string_ends_.shrink_to_fit();
  frames_.shrink_to_fit();
  parents_.shrink_to_fit();
  node_frames_.shrink_to_fit();
  stack_hashes_.shrink_to_fit();
  frame_hashes_.shrink_to_fit();
}

std::string BlockDictionary::TakeChunk() {
  std::string out;
  if (taken_strings_ == string_count() && taken_frames_ == frame_count() && taken_nodes_ == node_count()) {
    return out;
  }
  AppendVarint(out, taken_strings_);
  AppendVarint(out, taken_frames_);
  AppendVarint(out, taken_nodes_);
  AppendVarint(out, string_count() - taken_strings_);
  AppendVarint(out, frame_count() - taken_frames_);
  AppendVarint(out, node_count() - taken_nodes_);
  const size_t text_start = string_ends_[taken_strings_ - 1];
  for (size_t i = taken_strings_; i < string_count(); ++i) {
    AppendVarint(out, string_ends_[i] - string_ends_[i - 1]);
  }
  out.append(text_, text_start);
  AppendColumn(
      frames_, taken_frames_, [](const Frame& f) { return f.function; }, out);
  AppendColumn(
      frames_, taken_frames_, [](const Frame& f) { return f.file; }, out);
  AppendColumn(
      frames_, taken_frames_, [](const Frame& f) { return f.mapping; }, out);
  AppendColumn(
      frames_, taken_frames_, [](const Frame& f) { return f.line; }, out);
  for (size_t i = taken_frames_; i < frame_count(); ++i) AppendVarint(out, FlagsOf(frames_[i]));
  for (size_t i = taken_nodes_; i < node_count(); ++i) AppendVarint(out, i - parents_[i]);
  AppendColumn(
      node_frames_, taken_nodes_, [](FrameId f) { return f; }, out);
  MarkTaken();
  return out;
}

size_t BlockDictionary::byte_size() const {
  constexpr size_t kControlByte = 1;  // of absl's tables, per slot
  size_t bytes = text_.capacity() + string_ends_.capacity() * sizeof(uint32_t) +
                 frames_.capacity() * sizeof(Frame) +
                 (parents_.capacity() + node_frames_.capacity()) * sizeof(uint32_t) +
                 (stack_hashes_.capacity() + frame_hashes_.capacity()) * sizeof(uint64_t);
  if (index_ != nullptr) {
    bytes += (index_->strings.capacity() + index_->frames.capacity() + index_->nodes.capacity()) *
             (sizeof(uint32_t) + kControlByte);
  }
  return bytes;
}

}  // namespace pilotlight::collector
