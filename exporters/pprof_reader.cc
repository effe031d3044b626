#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/gzip.h"
#include "base/status_macros.h"
#include "exporters/frame_name.h"
#include "exporters/pprof.h"
#include "exporters/pprof_tables.h"
#include "exporters/utf8.h"

namespace pilotlight {
namespace {

using pprof::Column;
using pprof::kNone;
using pprof::Tables;

// Sums of a profile stay below these, so that adding up its samples, and weighing its frames by them, can
// never overflow.
constexpr uint64_t kMaxTotalCount = uint64_t{1} << 52;
constexpr uint64_t kMaxTotalValue = uint64_t{1} << 62;

// One profile to be made, and the columns that it is made from.
struct Output {
  Profile profile;
  size_t count_column = kNone;  // kNone: it has none
  size_t value_column = 0;
  std::vector<FrameId> frames;  // by line; kNone until it is used
  uint64_t total_count = 0;
  uint64_t total_value = 0;
  uint64_t unlock_value = 0;  // of leaves that unlock something
};

bool IsPair(const Column& count, const Column& value) {
  if (count.unit != "count" || value.unit == "count") return false;
  return count.type == "samples" || (count.type == "alloc_objects" && value.type == "alloc_space") ||
         (count.type == "inuse_objects" && value.type == "inuse_space") ||
         (count.type == "contentions" && value.type == "delay");
}

// ':' separates the parts of a type.
std::string TypePart(absl::string_view text) { return absl::StrReplaceAll(ToValidUtf8(text), {{":", "_"}}); }

ProfileType TypeOf(const Column& value, const Column& period) {
  ProfileType type;
  type.sample_type = TypePart(value.type);
  type.sample_unit = TypePart(value.unit);
  type.period_type = TypePart(period.type);
  // A unit of nothing says nothing, and would not be written again.
  type.period_unit = period.type.empty() ? "" : TypePart(period.unit);
  const bool of_cpu = type.sample_type == "cpu" || (type.sample_type == "samples" && period.type == "cpu");
  const bool of_memory =
      absl::StartsWith(type.sample_type, "alloc_") || absl::StartsWith(type.sample_type, "inuse_");
  type.name = of_cpu ? "process_cpu" : of_memory ? "memory" : type.sample_type;
  if (type.sample_type == "cpu" && period.type.empty()) {
    type.period_type = "cpu";
    type.period_unit = "nanoseconds";
  }
  return type;
}

std::vector<Output> PlanOutputs(const Tables& tables) {
  std::vector<Output> outputs;
  size_t first = 0;
  for (size_t i = 0; i < tables.columns.size(); ++i) {
    Output output;
    const bool paired = i + 1 < tables.columns.size() && IsPair(tables.columns[i], tables.columns[i + 1]);
    if (paired) output.count_column = i++;
    output.value_column = i;
    const Column& value = tables.columns[i];
    if (!paired && value.unit == "count") output.count_column = i;
    output.profile.type = TypeOf(value, tables.period_type);
    output.profile.period = std::max<int64_t>(tables.period, 0);
    output.profile.start = absl::FromUnixNanos(tables.time_nanos);
    output.profile.duration = absl::Nanoseconds(std::max<int64_t>(tables.duration_nanos, 0));
    output.frames.assign(tables.lines.size(), kNone);
    outputs.push_back(std::move(output));
    // pprof shows the default column, or the last one when none is named or found.
    const absl::string_view wanted = tables.default_column.type;
    const auto is_wanted = [&](size_t column) {
      return column != kNone && tables.columns[column].type == wanted;
    };
    const bool has_default = std::any_of(tables.columns.begin(), tables.columns.end(),
                                         [wanted](const Column& column) { return column.type == wanted; });
    if (has_default ? is_wanted(outputs.back().value_column) || is_wanted(outputs.back().count_column)
                    : i + 1 == tables.columns.size()) {
      first = outputs.size() - 1;
    }
  }
  std::rotate(outputs.begin(), outputs.begin() + static_cast<ptrdiff_t>(first),
              outputs.begin() + static_cast<ptrdiff_t>(first) + 1);
  return outputs;
}

class Converter {
 public:
  Converter(const Tables& tables, const PprofLimits& limits)
      : tables_(tables), limits_(limits), outputs_(PlanOutputs(tables)) {
    is_go_ = std::any_of(tables.functions.begin(), tables.functions.end(),
                         [](const pprof::Function& f) { return absl::EndsWith(f.file, ".go"); });
  }

  absl::Status Add(const perftools::profiles::Sample& sample) {
    if (static_cast<size_t>(sample.value_size()) != tables_.columns.size()) {
      return absl::InvalidArgumentError(absl::StrCat("a sample of the profile has ", sample.value_size(),
                                                     " values for ", tables_.columns.size(),
                                                     " sample types"));
    }
    RETURN_IF_ERROR(CollectLines(sample));
    for (Output& output : outputs_) RETURN_IF_ERROR(AddTo(output, sample));
    return absl::OkStatus();
  }

  std::vector<Profile> Finish() {
    std::vector<Profile> profiles;
    for (Output& output : outputs_) {
      MergeSamples(output.profile.samples);
      if (output.profile.type.sample_type == "delay" || output.profile.type.sample_type == "contentions") {
        output.profile.type.name = output.unlock_value * 2 > output.total_value ? "mutex" : "block";
      }
      profiles.push_back(std::move(output.profile));
    }
    return profiles;
  }

 private:
  // The lines of the sample's stack, the innermost first, at most max_depth.
  absl::Status CollectLines(const perftools::profiles::Sample& sample) {
    lines_.clear();
    truncated_ = false;
    for (const uint64_t id : sample.location_id()) {
      const auto found = tables_.location_of_id.find(id);
      if (found == tables_.location_of_id.end()) {
        return absl::InvalidArgumentError(absl::StrCat("the profile has no location ", id));
      }
      const pprof::Location& location = tables_.locations[found->second];
      for (uint32_t i = 0; i < location.line_count; ++i) {
        if (lines_.size() == limits_.max_depth) {
          truncated_ = true;
          return absl::OkStatus();
        }
        lines_.push_back(location.first_line + i);
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddTo(Output& output, const perftools::profiles::Sample& sample) {
    const int64_t value = sample.value(static_cast<int>(output.value_column));
    const uint64_t count = CountOf(output, sample, value);
    if (count == 0 && value == 0) return absl::OkStatus();
    output.total_count += std::min(count, kMaxTotalCount);
    output.total_value += std::min(Magnitude(value), kMaxTotalValue);
    if (output.total_count >= kMaxTotalCount || output.total_value >= kMaxTotalValue) {
      return absl::OutOfRangeError("the values of the profile add up to more than can be counted");
    }

    Profile& profile = output.profile;
    NodeId node = StackTrie::kRoot;
    if (truncated_) {
      profile.loss.truncated_stacks += count;
      node = profile.trie.Child(node, profile.trie.InternFrame(FrameView{.function = "[truncated]",
                                                                         .kind = FrameKind::kSynthetic}));
    }
    frames_ += lines_.size();
    if (frames_ > limits_.max_frames) return TooLarge("frames", limits_.max_frames);
    const size_t nodes_before = profile.trie.node_count();
    for (size_t i = lines_.size(); i-- > 0;) {
      const FrameId frame = FrameFor(output, lines_[i]);
      if (!profile.trie.frame(frame).symbolized) profile.loss.unsymbolized_frames += count;
      node = profile.trie.Child(node, frame);
    }
    nodes_ += profile.trie.node_count() - nodes_before;
    if (nodes_ > limits_.max_nodes) return TooLarge("different stacks", limits_.max_nodes);
    profile.loss.frames += count * lines_.size();
    if (!lines_.empty() && Unlocks(profile.trie.frame(FrameFor(output, lines_[0])), profile.trie)) {
      output.unlock_value += Magnitude(value);
    }
    profile.samples.push_back({.node = node, .count = count, .value = value});
    return absl::OkStatus();
  }

  static absl::Status TooLarge(absl::string_view what, size_t limit) {
    return absl::OutOfRangeError(absl::StrCat("the profile has more than ", limit, " ", what));
  }

  static uint64_t Magnitude(int64_t value) {
    return value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  }

  static bool Unlocks(const Frame& leaf, const StackTrie& trie) {
    return absl::StrContains(trie.string(leaf.function), "nlock");
  }

  // Without a column that counts: in periods when the value has the period's type, else one per sample.
  uint64_t CountOf(const Output& output, const perftools::profiles::Sample& sample, int64_t value) const {
    if (output.count_column != kNone) {
      // Differences (`pprof -base`) have negative ones.
      return static_cast<uint64_t>(std::max<int64_t>(sample.value(static_cast<int>(output.count_column)), 0));
    }
    const ProfileType& type = output.profile.type;
    if (value <= 0) return 0;
    if (output.profile.period <= 0 || type.period_type != type.sample_type) return 1;
    return static_cast<uint64_t>(std::max<int64_t>(value / output.profile.period, 1));
  }

  FrameId FrameFor(Output& output, uint32_t line_index) const {
    FrameId& frame = output.frames[line_index];
    if (frame != kNone) return frame;
    const pprof::Line& line = tables_.lines[line_index];
    const pprof::Location& location = tables_.locations[line.location];
    const pprof::Mapping mapping =
        location.mapping == kNone ? pprof::Mapping{} : tables_.mappings[location.mapping];
    std::string function;
    std::string file;
    if (line.function != kNone) {
      function = Name(tables_.functions[line.function].name);
      file = Name(tables_.functions[line.function].file);
    } else {
      function = AddressName(location, mapping);
    }
    const std::string binary = Name(mapping.filename);
    frame = output.profile.trie.InternFrame(FrameView{.function = function,
                                                      .file = file,
                                                      .mapping = binary,
                                                      .line = line.line,
                                                      .kind = KindOf(function, file, binary),
                                                      .inlined = line.inlined,
                                                      .symbolized = !IsAddressName(function)});
    return frame;
  }

  // Cut again, as replacements of ill-formed parts are longer than these.
  std::string Name(absl::string_view text) const {
    const std::string valid = ToValidUtf8(text);
    return std::string(Utf8Prefix(valid, limits_.max_name_bytes));
  }

  std::string AddressName(const pprof::Location& location, const pprof::Mapping& mapping) const {
    if (mapping.filename.empty()) return absl::StrCat("0x", absl::Hex(location.address));
    const absl::string_view base = mapping.filename.substr(mapping.filename.rfind('/') + 1);
    return absl::StrCat(Name(base), "+0x", absl::Hex(location.address - mapping.start + mapping.offset));
  }

  // The format has no kinds; names and files tell.
  FrameKind KindOf(absl::string_view function, absl::string_view file, absl::string_view mapping) const {
    if (mapping.empty() && file.empty() && IsSyntheticName(function)) return FrameKind::kSynthetic;
    if (absl::StartsWith(mapping, "[kernel") || absl::StartsWith(mapping, "[vmlinux"))
      return FrameKind::kKernel;
    if (absl::EndsWith(file, ".go")) return FrameKind::kGo;
    if (is_go_ && (absl::EndsWith(file, ".s") || (file.empty() && IsGoRuntimeName(function)))) {
      return FrameKind::kGo;
    }
    return mapping.empty() ? FrameKind::kUnknown : FrameKind::kNative;
  }

  const Tables& tables_;
  const PprofLimits& limits_;
  std::vector<Output> outputs_;
  bool is_go_ = false;
  size_t frames_ = 0;
  size_t nodes_ = 0;
  // Of the sample at hand.
  std::vector<uint32_t> lines_;
  bool truncated_ = false;
};

// What people get instead of a profile when they ask for the wrong thing. Empty when nothing is recognised.
absl::string_view KnownMistake(absl::string_view bytes) {
  if (bytes.empty()) return "it is empty";
  if (absl::StartsWith(bytes, "go 1.")) return "it is an execution trace: use `go tool trace`";
  if (absl::StartsWith(bytes, "PERFILE2")) return "it is a perf.data file: convert it with `perf script`";
  if (absl::StartsWith(bytes, "<")) return "it is an HTML or XML page";
  if (absl::StartsWith(bytes, "heap profile:") || absl::StartsWith(bytes, "goroutine profile:") ||
      absl::StartsWith(bytes, "--- ")) {
    return "it is the text form: fetch it without ?debug=1";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<Profile>> ReadPprof(absl::string_view bytes, const PprofLimits& limits) {
  std::string decompressed;
  if (IsGzip(bytes)) {
    ASSIGN_OR_RETURN(decompressed, Gunzip(bytes, limits.max_bytes));
    bytes = decompressed;
  }
  if (const absl::string_view mistake = KnownMistake(bytes); !mistake.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("not a pprof profile: ", mistake));
  }
  ASSIGN_OR_RETURN(const Tables tables, pprof::ParseTables(bytes, limits));
  Converter converter(tables, limits);
  RETURN_IF_ERROR(pprof::VisitSamples(
      bytes, [&converter](const perftools::profiles::Sample& sample) { return converter.Add(sample); }));
  return converter.Finish();
}

}  // namespace pilotlight
