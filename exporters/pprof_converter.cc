#include "exporters/pprof_converter.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "exporters/frame_name.h"
#include "exporters/utf8.h"

namespace pilotlight::pprof {
namespace {

// Sums of a profile stay below these, so that adding up its samples, and weighing its frames by them, can
// never overflow.
constexpr uint64_t kMaxTotalCount = uint64_t{1} << 52;
constexpr uint64_t kMaxTotalValue = uint64_t{1} << 62;

bool IsPair(const Column& count, const Column& value) {
  if (count.unit != "count" || value.unit == "count") return false;
  return count.type == "samples" || count.type == "sample" ||
         (count.type == "alloc_objects" && value.type == "alloc_space") ||
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
  // Python's writers say "CPU".
  for (std::string* const part : {&type.sample_type, &type.period_type}) {
    if (absl::EqualsIgnoreCase(*part, "cpu")) *part = "cpu";
  }
  // A unit of nothing says nothing, and would not be written again.
  type.period_unit = period.type.empty() ? "" : TypePart(period.unit);
  const bool of_cpu =
      type.sample_type == "cpu" || (type.sample_type == "samples" && type.period_type == "cpu");
  const bool of_memory =
      absl::StartsWith(type.sample_type, "alloc_") || absl::StartsWith(type.sample_type, "inuse_");
  type.name = of_cpu ? "process_cpu" : of_memory ? "memory" : type.sample_type;
  if (type.sample_type == "cpu" && period.type.empty()) {
    type.period_type = "cpu";
    type.period_unit = "nanoseconds";
  }
  // What async-profiler's converter writes, which does not know the period.
  if (type.sample_type == "cpu" && type.sample_unit == "count") type.sample_type = "samples";
  return type;
}

absl::Status TooLarge(absl::string_view what, size_t limit) {
  return absl::OutOfRangeError(absl::StrCat("the profile has more than ", limit, " ", what));
}

uint64_t Magnitude(int64_t value) {
  return value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

bool MayBeOfLocks(const ProfileType& type) {
  return type.sample_type == "delay" || type.sample_type == "contentions";
}

bool Unlocks(const Frame& leaf, const StackTrie& trie) {
  return absl::StrContains(trie.string(leaf.function), "nlock");
}

}  // namespace

uint64_t EventsOf(int64_t value, int64_t period, bool of_period_type) {
  if (value <= 0) return 0;
  if (period <= 0 || !of_period_type) return 1;
  return static_cast<uint64_t>(std::max<int64_t>(value / period, 1));
}

Converter::Converter(const Tables& tables, const Heading& heading, const PprofLimits& limits, Usage& usage)
    : tables_(tables), limits_(limits), usage_(usage), columns_(heading.columns.size()) {
  PlanOutputs(heading);
  for (const Location& location : tables_.locations) {
    most_lines_of_location_ = std::max<size_t>(most_lines_of_location_, location.line_count);
  }
}

void Converter::PlanOutputs(const Heading& heading) {
  size_t first = 0;
  for (size_t i = 0; i < heading.columns.size(); ++i) {
    Output output;
    const bool paired = i + 1 < heading.columns.size() && IsPair(heading.columns[i], heading.columns[i + 1]);
    if (paired) output.count_column = i++;
    output.value_column = i;
    const Column& value = heading.columns[i];
    if (!paired && value.unit == "count") output.count_column = i;
    output.made.profile.type = TypeOf(value, heading.period_type);
    output.made.profile.period = std::max<int64_t>(heading.period, 0);
    output.made.profile.start = absl::FromUnixNanos(heading.time_nanos);
    output.made.profile.duration = absl::Nanoseconds(std::max<int64_t>(heading.duration_nanos, 0));
    output.tells_unlocks = MayBeOfLocks(output.made.profile.type);
    output.frames.assign(tables_.lines.size(), kNone);
    output.mappings.assign(tables_.mappings.size(), kNone);
    outputs_.push_back(std::move(output));
    // pprof shows the default column, or the last one when none is named or found.
    const absl::string_view wanted = heading.default_column.type;
    const auto is_wanted = [&](size_t column) {
      return column != kNone && heading.columns[column].type == wanted;
    };
    const bool has_default = std::any_of(heading.columns.begin(), heading.columns.end(),
                                         [wanted](const Column& column) { return column.type == wanted; });
    if (has_default ? is_wanted(outputs_.back().value_column) || is_wanted(outputs_.back().count_column)
                    : i + 1 == heading.columns.size()) {
      first = outputs_.size() - 1;
    }
  }
  std::rotate(outputs_.begin(), outputs_.begin() + static_cast<ptrdiff_t>(first),
              outputs_.begin() + static_cast<ptrdiff_t>(first) + 1);
}

absl::Status Converter::Add(absl::Span<const uint32_t> locations, absl::Span<const int64_t> values,
                            uint32_t part) {
  if (values.size() != columns_) {
    return absl::InvalidArgumentError(absl::StrCat("a sample of the profile has ", values.size(),
                                                   " values for ", columns_, " sample types"));
  }
  for (Output& output : outputs_) RETURN_IF_ERROR(AddTo(output, locations, values, part));
  return absl::OkStatus();
}

std::vector<LabelledProfile> Converter::Finish() {
  std::vector<LabelledProfile> profiles;
  for (Output& output : outputs_) {
    for (LabelledSamples& part : output.made.parts) MergeSamples(part.samples);
    ProfileType& type = output.made.profile.type;
    if (output.tells_unlocks) {
      type.name = output.unlock_value * 2 > output.total_value ? "mutex" : "block";
    }
    profiles.push_back(std::move(output.made));
  }
  return profiles;
}

bool Converter::IsTooDeep(absl::Span<const uint32_t> locations) const {
  if (locations.size() * most_lines_of_location_ <= limits_.max_depth) return false;
  size_t lines = 0;
  for (const uint32_t index : locations) {
    lines += tables_.locations[index].line_count;
    if (lines > limits_.max_depth) return true;
  }
  return false;
}

void Converter::StepTo(Output& output, uint32_t line_index, Step& step) const {
  StackTrie& trie = output.made.profile.trie;
  const FrameId frame = FrameFor(output, line_index);
  step.node = trie.Child(step.node, frame);
  ++step.frames;
  if (!trie.frame(frame).symbolized) ++step.unsymbolized;
}

Converter::Step Converter::Walk(Output& output, absl::Span<const uint32_t> locations) const {
  std::vector<Step>& path = output.path;
  size_t shared = 0;
  while (shared < path.size() && shared < locations.size() &&
         path[shared].location == locations[locations.size() - 1 - shared]) {
    ++shared;
  }
  path.resize(shared);
  Step step = path.empty() ? Step() : path.back();
  for (size_t i = locations.size() - shared; i-- > 0;) {
    step.location = locations[i];
    const Location& location = tables_.locations[step.location];
    for (uint32_t line = location.line_count; line-- > 0;) StepTo(output, location.first_line + line, step);
    path.push_back(step);
  }
  return step;
}

Converter::Step Converter::WalkTruncated(Output& output, absl::Span<const uint32_t> locations) const {
  std::vector<uint32_t> lines;  // the innermost first
  for (const uint32_t index : locations) {
    const Location& location = tables_.locations[index];
    for (uint32_t i = 0; i < location.line_count && lines.size() < limits_.max_depth; ++i) {
      lines.push_back(location.first_line + i);
    }
  }
  StackTrie& trie = output.made.profile.trie;
  Step step;
  step.node =
      trie.Child(StackTrie::kRoot,
                 trie.InternFrame(FrameView{.function = "[truncated]", .kind = FrameKind::kSynthetic}));
  for (size_t i = lines.size(); i-- > 0;) StepTo(output, lines[i], step);
  return step;
}

absl::Status Converter::AddTo(Output& output, absl::Span<const uint32_t> locations,
                              absl::Span<const int64_t> values, uint32_t part) {
  const int64_t value = values[output.value_column];
  const uint64_t count = CountOf(output, values);
  if (count == 0 && value == 0) return absl::OkStatus();
  output.total_count += std::min(count, kMaxTotalCount);
  output.total_value += std::min(Magnitude(value), kMaxTotalValue);
  if (output.total_count >= kMaxTotalCount || output.total_value >= kMaxTotalValue) {
    return absl::OutOfRangeError("the values of the profile add up to more than can be counted");
  }

  StackTrie& trie = output.made.profile.trie;
  if (output.made.parts.size() <= part) output.made.parts.resize(part + 1);
  LabelledSamples& samples = output.made.parts[part];
  const size_t nodes_before = trie.node_count();
  const bool truncated = IsTooDeep(locations);
  const Step stack = truncated ? WalkTruncated(output, locations) : Walk(output, locations);
  usage_.frames += stack.frames;
  if (usage_.frames > limits_.max_frames) return TooLarge("frames", limits_.max_frames);
  usage_.nodes += trie.node_count() - nodes_before;
  if (usage_.nodes > limits_.max_nodes) return TooLarge("different stacks", limits_.max_nodes);
  if (truncated) samples.loss.truncated_stacks += count;
  samples.loss.frames += count * stack.frames;
  samples.loss.unsymbolized_frames += count * stack.unsymbolized;
  if (output.tells_unlocks && stack.frames > 0 && Unlocks(trie.frame(trie.frame_of(stack.node)), trie)) {
    output.unlock_value += Magnitude(value);
  }
  samples.samples.push_back({.node = stack.node, .count = count, .value = value});
  return absl::OkStatus();
}

uint64_t Converter::CountOf(const Output& output, absl::Span<const int64_t> values) {
  if (output.count_column != kNone) {
    // Differences (`pprof -base`) have negative ones.
    return static_cast<uint64_t>(std::max<int64_t>(values[output.count_column], 0));
  }
  const ProfileType& type = output.made.profile.type;
  return EventsOf(values[output.value_column], output.made.profile.period,
                  type.period_type == type.sample_type);
}

FrameId Converter::FrameFor(Output& output, uint32_t line_index) const {
  FrameId& frame = output.frames[line_index];
  if (frame != kNone) return frame;
  const Line& line = tables_.lines[line_index];
  const Location& location = tables_.locations[line.location];
  const Mapping mapping = location.mapping == kNone ? Mapping{} : tables_.mappings[location.mapping];
  std::string function;
  std::string file;
  uint32_t start_line = 0;
  if (line.function != kNone) {
    function = Name(tables_.functions[line.function].name);
    file = Name(tables_.functions[line.function].file);
    start_line = tables_.functions[line.function].start_line;
  } else {
    function = AddressName(location, mapping);
  }
  StackTrie& trie = output.made.profile.trie;
  const StringId binary = location.mapping == kNone ? 0 : MappingFor(output, location.mapping);
  Frame made = WithoutStrings(FrameView{.line = line.line,
                                        .start_line = start_line,
                                        .kind = location.kind != FrameKind::kUnknown
                                                    ? location.kind
                                                    : KindOf(function, file, trie.string(binary)),
                                        .inlined = line.inlined,
                                        .symbolized = !IsAddressName(function) && function != "[unknown]"});
  made.function = trie.InternString(function);
  made.file = trie.InternString(file);
  made.mapping = binary;
  frame = trie.InternFrame(made);
  return frame;
}

StringId Converter::MappingFor(Output& output, uint32_t mapping) const {
  StringId& name = output.mappings[mapping];
  if (name == kNone) name = output.made.profile.trie.InternString(Name(tables_.mappings[mapping].filename));
  return name;
}

std::string Converter::Name(absl::string_view text) const {
  return ToValidUtf8(text, limits_.max_name_bytes);
}

std::string Converter::AddressName(const Location& location, const Mapping& mapping) const {
  if (mapping.filename.empty()) return absl::StrCat("0x", absl::Hex(location.address));
  const absl::string_view base = mapping.filename.substr(mapping.filename.rfind('/') + 1);
  return absl::StrCat(Name(base), "+0x", absl::Hex(location.address - mapping.start + mapping.offset));
}

// The format has no kinds; names and files tell.
FrameKind Converter::KindOf(absl::string_view function, absl::string_view file,
                            absl::string_view mapping) const {
  if (mapping.empty() && file.empty() && IsSyntheticName(function)) return FrameKind::kSynthetic;
  if (absl::StartsWith(mapping, "[kernel") || absl::StartsWith(mapping, "[vmlinux"))
    return FrameKind::kKernel;
  if (absl::EndsWith(file, ".go")) return FrameKind::kGo;
  if (tables_.has_go && (absl::EndsWith(file, ".s") || (file.empty() && IsGoRuntimeName(function)))) {
    return FrameKind::kGo;
  }
  return mapping.empty() ? FrameKind::kUnknown : FrameKind::kNative;
}

}  // namespace pilotlight::pprof
