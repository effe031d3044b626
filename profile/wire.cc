#include "profile/wire.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

constexpr uint32_t kKindMask = 0xf;
constexpr uint32_t kInlinedBit = 1u << 4;
constexpr uint32_t kSymbolizedBit = 1u << 5;
constexpr uint32_t kKnownFlags = kKindMask | kInlinedBit | kSymbolizedBit;

uint32_t FlagsOf(const Frame& frame) {
  return static_cast<uint32_t>(frame.kind) | (frame.inlined ? kInlinedBit : 0) |
         (frame.symbolized ? kSymbolizedBit : 0);
}

// What is in `trie` from the given counts on.
void EncodeDictionary(const StackTrie& trie, size_t first_string, size_t first_frame, size_t first_node,
                      v1::Dictionary& message) {
  for (size_t i = first_string; i < trie.string_count(); ++i) {
    message.add_strings(std::string(trie.string(static_cast<StringId>(i))));
  }
  for (size_t i = first_frame; i < trie.frame_count(); ++i) {
    const Frame& frame = trie.frame(static_cast<FrameId>(i));
    message.add_frame_function(frame.function);
    message.add_frame_file(frame.file);
    message.add_frame_mapping(frame.mapping);
    message.add_frame_line(frame.line);
    message.add_frame_start_line(frame.start_line);
    message.add_frame_flags(FlagsOf(frame));
  }
  for (size_t i = first_node; i < trie.node_count(); ++i) {
    const auto node = static_cast<NodeId>(i);
    message.add_node_parent_distance(node - trie.parent(node));
    message.add_node_frame(trie.frame_of(node));
  }
}

void EncodeSeries(const Series& series, TrieMapper& mapper, v1::Series& message) {
  for (const auto& [name, value] : series.labels) {
    v1::Label& label = *message.add_labels();
    label.set_name(name);
    label.set_value(value);
  }
  ToProto(series.type, *message.mutable_type());
  message.set_period(series.period);
  ToProto(series.loss, *message.mutable_loss());

  std::vector<Sample> samples = series.samples;
  for (Sample& sample : samples) sample.node = mapper.MapNode(sample.node);
  MergeSamples(samples);
  NodeId previous = 0;
  bool values_follow = true;
  for (const Sample& sample : samples) {
    message.add_node_delta(sample.node - previous);
    message.add_count(sample.count);
    previous = sample.node;
    values_follow &= sample.value == static_cast<int64_t>(sample.count) * series.period;
  }
  if (values_follow) return;
  for (const Sample& sample : samples) message.add_value(sample.value);
}

absl::Status Broken(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("broken window: ", what));
}

}  // namespace

void WindowEncoder::Encode(const Window& window, v1::Window& message) {
  message.Clear();
  if (std::exchange(has_ended_, false)) message.set_dictionary_reset(true);
  message.set_agent(window.agent);
  message.set_boot(window.boot);
  message.set_sequence(window.sequence);
  message.set_start_unix_ns(absl::ToUnixNanos(window.start));
  message.set_duration_ns(absl::ToInt64Nanoseconds(window.duration));
  message.set_interval_ns(absl::ToInt64Nanoseconds(window.interval));
  message.set_source(window.source);

  const size_t strings = sent_.string_count();
  const size_t frames = sent_.frame_count();
  const size_t nodes = sent_.node_count();
  TrieMapper mapper(window.stacks(), sent_);
  for (const Series& series : window.series) EncodeSeries(series, mapper, *message.add_series());
  EncodeDictionary(sent_, strings, frames, nodes, *message.mutable_dictionary());

  has_ended_ = sent_.byte_size() > max_dictionary_bytes_ ||
               (receiver_bytes_ > 0 && sent_.StackTable::byte_size() > receiver_bytes_);
  if (!has_ended_) return;
  message.set_dictionary_ends(true);
  sent_ = StackTrie();
}

void WindowDecoder::Reset() {
  received_ = StackTable();
  ended_ = false;
  depths_ = std::vector<uint16_t>{0};  // assigning {0} would keep the room
}

size_t WindowDecoder::dictionary_bytes() const {
  return received_.byte_size() + depths_.capacity() * sizeof(uint16_t);
}

absl::Status WindowDecoder::Append(const v1::Dictionary& dictionary) {
  for (const std::string& text : dictionary.strings()) {
    if (text.size() > limits_.max_string_bytes) {
      return Broken(
          absl::StrCat("a name of ", text.size(), " bytes, the limit is ", limits_.max_string_bytes));
    }
    received_.AddString(text);
  }
  RETURN_IF_ERROR(AppendFrames(dictionary));
  RETURN_IF_ERROR(AppendNodes(dictionary));
  if (dictionary_bytes() > limits_.max_dictionary_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the stream's dictionary is larger than ", limits_.max_dictionary_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status WindowDecoder::AppendFrames(const v1::Dictionary& dictionary) {
  const int count = dictionary.frame_function_size();
  if (dictionary.frame_file_size() != count || dictionary.frame_mapping_size() != count ||
      dictionary.frame_line_size() != count || dictionary.frame_flags_size() != count ||
      (dictionary.frame_start_line_size() != 0 && dictionary.frame_start_line_size() != count)) {
    return Broken("the frame columns differ in length");
  }
  for (int i = 0; i < count; ++i) {
    if (dictionary.frame_function(i) >= received_.string_count() ||
        dictionary.frame_file(i) >= received_.string_count() ||
        dictionary.frame_mapping(i) >= received_.string_count()) {
      return Broken("a frame names a string that was not sent");
    }
    const uint32_t start_line = dictionary.frame_start_line_size() == 0 ? 0 : dictionary.frame_start_line(i);
    if (start_line > kMaxStartLine) return Broken("a function begins at a line that cannot be true");
    const uint32_t flags = dictionary.frame_flags(i);
    const uint32_t kind = flags & kKindMask;
    if ((flags & ~kKnownFlags) != 0 || kind > static_cast<uint32_t>(FrameKind::kSynthetic)) {
      return Broken("a frame has unknown flags");
    }
    received_.AddFrame(Frame{.function = dictionary.frame_function(i),
                             .file = dictionary.frame_file(i),
                             .mapping = dictionary.frame_mapping(i),
                             .line = dictionary.frame_line(i),
                             .start_line = start_line & kMaxStartLine,
                             .kind = static_cast<FrameKind>(kind),
                             .inlined = (flags & kInlinedBit) != 0,
                             .symbolized = (flags & kSymbolizedBit) != 0});
  }
  return absl::OkStatus();
}

absl::Status WindowDecoder::AppendNodes(const v1::Dictionary& dictionary) {
  const int count = dictionary.node_parent_distance_size();
  if (dictionary.node_frame_size() != count) return Broken("the node columns differ in length");
  for (int i = 0; i < count; ++i) {
    const uint32_t distance = dictionary.node_parent_distance(i);
    const size_t node = received_.node_count();
    if (distance == 0 || distance > node) return Broken("a node's parent was not sent before it");
    if (dictionary.node_frame(i) >= received_.frame_count()) {
      return Broken("a node names a frame that was not sent");
    }
    const size_t parent = node - distance;
    if (depths_[parent] >= limits_.max_depth) {
      return Broken(absl::StrCat("a stack deeper than ", limits_.max_depth, " frames"));
    }
    depths_.push_back(static_cast<uint16_t>(depths_[parent] + 1));
    received_.AddNode(static_cast<NodeId>(parent), dictionary.node_frame(i));
  }
  return absl::OkStatus();
}

absl::StatusOr<Series> WindowDecoder::DecodeSeries(const v1::Series& message) const {
  Series series;
  if (static_cast<size_t>(message.labels_size()) > limits_.max_labels) return Broken("too many labels");
  for (const v1::Label& label : message.labels()) {
    if (label.name().empty()) return Broken("a label without a name");
    if (label.name().size() + label.value().size() > limits_.max_string_bytes)
      return Broken("a label too long");
    if (!series.labels.emplace(label.name(), label.value()).second) {
      return Broken(absl::StrCat("the label ", label.name(), " twice"));
    }
  }
  if (series.labels[std::string(kServiceLabel)].empty()) return Broken("a series without service_name");
  series.type = FromProto(message.type());
  if (const auto type = ProfileType::Parse(series.type.ToString()); !type.ok()) {
    return Broken(type.status().message());
  }
  if (message.period() < 0) return Broken("a negative period");
  series.period = message.period();
  series.loss = FromProto(message.loss());

  const int count = message.node_delta_size();
  if (message.count_size() != count || (message.value_size() != 0 && message.value_size() != count)) {
    return Broken("the sample columns differ in length");
  }
  series.samples.reserve(static_cast<size_t>(count));
  uint64_t node = 0;
  uint64_t total = 0;
  for (int i = 0; i < count; ++i) {
    if (i > 0 && message.node_delta(i) == 0) return Broken("a node twice in one series");
    node += message.node_delta(i);
    if (node >= received_.node_count()) return Broken("a sample names a node that was not sent");
    if (message.count(i) > limits_.max_count || (total += message.count(i)) > limits_.max_count) {
      return Broken("a count that cannot be true");
    }
    int64_t value = 0;
    if (message.value_size() != 0) {
      value = message.value(i);
    } else if (__builtin_mul_overflow(static_cast<int64_t>(message.count(i)), series.period, &value)) {
      return Broken("a value that cannot be true");
    }
    constexpr int64_t kMaxValue = std::numeric_limits<int64_t>::max() / (int64_t{1} << 20);
    if (value > kMaxValue || value < -kMaxValue) return Broken("a value that cannot be true");
    series.samples.push_back({static_cast<NodeId>(node), message.count(i), value});
  }
  return series;
}

absl::StatusOr<Window> WindowDecoder::Decode(const v1::Window& message) {
  ASSIGN_OR_RETURN(Window window, DecodeReferring(message));
  TrieMapper mapper(received_, window.trie);
  for (Series& series : window.series) {
    for (Sample& sample : series.samples) sample.node = mapper.MapNode(sample.node);
    MergeSamples(series.samples);
  }
  window.table = nullptr;
  FreeEnded();
  return window;
}

void WindowDecoder::FreeEnded() {
  if (ended_) Reset();
}

absl::StatusOr<Window> WindowDecoder::DecodeReferring(const v1::Window& message) {
  FreeEnded();
  if (message.agent().empty() || message.boot().empty() || message.sequence() == 0) {
    return Broken("agent, boot or sequence is missing");
  }
  if (message.agent().size() > limits_.max_string_bytes || message.boot().size() > limits_.max_string_bytes) {
    return Broken("agent or boot is too long");
  }
  if (message.duration_ns() <= 0 || message.interval_ns() < message.duration_ns()) {
    return Broken("the duration must be positive and within the interval");
  }
  if (static_cast<size_t>(message.series_size()) > limits_.max_series) return Broken("too many series");
  if (message.dictionary_reset()) Reset();
  RETURN_IF_ERROR(Append(message.dictionary()));

  Window window;
  window.agent = message.agent();
  window.boot = message.boot();
  window.sequence = message.sequence();
  window.start = absl::FromUnixNanos(message.start_unix_ns());
  window.duration = absl::Nanoseconds(message.duration_ns());
  window.interval = absl::Nanoseconds(message.interval_ns());
  window.source = message.source();
  window.table = &received_;
  for (const v1::Series& series_message : message.series()) {
    ASSIGN_OR_RETURN(Series series, DecodeSeries(series_message));
    window.series.push_back(std::move(series));
  }
  ended_ = message.dictionary_ends();
  return window;
}

std::string SerializeWindow(const Window& window) {
  v1::Window message;
  WindowEncoder().Encode(window, message);
  return message.SerializeAsString();
}

absl::StatusOr<Window> ParseWindow(absl::string_view bytes, const WireLimits& limits) {
  v1::Window message;
  if (bytes.size() > size_t{std::numeric_limits<int>::max()} ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Broken("not a message of this format");
  }
  return WindowDecoder(limits).Decode(message);
}

void ToProto(const ProfileType& type, v1::ProfileType& message) {
  message.set_name(type.name);
  message.set_sample_type(type.sample_type);
  message.set_sample_unit(type.sample_unit);
  message.set_period_type(type.period_type);
  message.set_period_unit(type.period_unit);
}

ProfileType FromProto(const v1::ProfileType& message) {
  return ProfileType{message.name(), message.sample_type(), message.sample_unit(), message.period_type(),
                     message.period_unit()};
}

void ToProto(const LossCounters& loss, v1::LossCounters& message) {
  message.set_lost_samples(loss.lost_samples);
  message.set_truncated_stacks(loss.truncated_stacks);
  message.set_frames(loss.frames);
  message.set_unsymbolized_frames(loss.unsymbolized_frames);
}

LossCounters FromProto(const v1::LossCounters& message) {
  return LossCounters{.lost_samples = message.lost_samples(),
                      .truncated_stacks = message.truncated_stacks(),
                      .frames = message.frames(),
                      .unsymbolized_frames = message.unsymbolized_frames()};
}

}  // namespace pilotlight
