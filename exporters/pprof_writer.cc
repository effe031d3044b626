#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/gzip.h"
#include "exporters/pprof.h"
#include "exporters/utf8.h"
#include "google/protobuf/arena.h"
#include "pprof/profile.pb.h"

namespace pilotlight {
namespace {

namespace pb = perftools::profiles;

// The name of the column that counts; empty when the value itself is a count, which needs only one column.
absl::string_view CountColumn(const ProfileType& type) {
  if (type.sample_unit == "count") return "";
  if (type.sample_type == "alloc_space") return "alloc_objects";
  if (type.sample_type == "inuse_space") return "inuse_objects";
  if (type.sample_type == "delay") return "contentions";
  return "samples";
}

struct Part {
  const Labels* labels;
  const std::vector<Sample>* samples;
};

class PprofBuilder {
 public:
  PprofBuilder(const Profile& profile, pb::Profile& out) : profile_(profile), trie_(profile.trie), out_(out) {
    out_.add_string_table("");
    strings_.emplace("", 0);
    stacks_.resize(trie_.node_count());
  }

  // With the samples of `parts`.
  void Build(absl::Span<const Part> parts) {
    const absl::string_view count_column = CountColumn(profile_.type);
    if (!count_column.empty()) SetType(count_column, "count", *out_.add_sample_type());
    SetType(profile_.type.sample_type, profile_.type.sample_unit, *out_.add_sample_type());
    if (!profile_.type.period_type.empty()) {
      SetType(profile_.type.period_type, profile_.type.period_unit, *out_.mutable_period_type());
    }
    out_.set_period(profile_.period);
    out_.set_time_nanos(absl::ToUnixNanos(profile_.start));
    out_.set_duration_nanos(absl::ToInt64Nanoseconds(profile_.duration));
    out_.set_default_sample_type(String(profile_.type.sample_type));
    for (const auto& [name, value] : profile_.labels)
      out_.add_comment(String(absl::StrCat(name, "=", value)));

    for (const Part& part : parts) {
      AddMainMapping(*part.samples);
      if (out_.mapping_size() > 0) break;
    }
    for (const Part& part : parts) {
      for (const Sample& sample : *part.samples) {
        pb::Sample& added = *out_.add_sample();
        if (!count_column.empty()) added.add_value(static_cast<int64_t>(sample.count));
        added.add_value(sample.value);
        AddStack(sample.node, added);
        for (const auto& [name, value] : *part.labels) {
          pb::Label& label = *added.add_label();
          label.set_key(String(name));
          label.set_str(String(value));
        }
      }
    }
  }

 private:
  // The innermost location of a node's stack, and the node where the rest of it begins.
  struct LocatedStack {
    uint64_t location = 0;
    NodeId caller = StackTrie::kRoot;
  };

  int64_t String(absl::string_view text) {
    const auto [entry, is_new] = strings_.try_emplace(text, out_.string_table_size());
    if (is_new) out_.add_string_table(ToValidUtf8(text));
    return entry->second;
  }

  void SetType(absl::string_view type, absl::string_view unit, pb::ValueType& out) {
    out.set_type(String(type));
    out.set_unit(String(unit));
  }

  void AddStack(NodeId node, pb::Sample& sample) {
    // `go tool pprof` loses a sample without a location.
    if (node == StackTrie::kRoot) sample.add_location_id(StacklessLocation());
    while (node != StackTrie::kRoot) {
      const LocatedStack& stack = Locate(node);
      sample.add_location_id(stack.location);
      node = stack.caller;
    }
  }

  // pprof takes the first mapping for the program itself.
  void AddMainMapping(const std::vector<Sample>& samples) {
    for (const Sample& sample : samples) {
      for (NodeId node = sample.node; node != StackTrie::kRoot; node = trie_.parent(node)) {
        const StringId mapping = trie_.frame(trie_.frame_of(node)).mapping;
        const absl::string_view name = trie_.string(mapping);
        if (name.empty() || name.front() == '[' || absl::StrContains(name, ".so")) continue;
        MappingFor(mapping);
        return;
      }
    }
  }

  // 0 for a frame without one.
  uint64_t MappingFor(StringId name) {
    if (trie_.string(name).empty()) return 0;
    const auto [entry, is_new] = mappings_.try_emplace(name, out_.mapping_size() + 1);
    if (is_new) {
      pb::Mapping& mapping = *out_.add_mapping();
      mapping.set_id(static_cast<uint64_t>(entry->second));
      mapping.set_filename(String(trie_.string(name)));
      // Else pprof would look for the binary to name the functions itself.
      mapping.set_has_functions(true);
    }
    return static_cast<uint64_t>(entry->second);
  }

  uint64_t FunctionFor(const Frame& frame) {
    const auto [entry, is_new] = functions_.try_emplace(
        std::make_tuple(frame.function, frame.file, uint32_t{frame.start_line}), out_.function_size() + 1);
    if (is_new) {
      pb::Function& function = *out_.add_function();
      function.set_id(static_cast<uint64_t>(entry->second));
      const absl::string_view name = trie_.string(frame.function);
      function.set_name(String(name.empty() ? absl::string_view("[unknown]") : name));
      // Without a system name, a name is as it shall be shown; else `go tool pprof` takes it for mangled and
      // cuts arguments of C++ functions and templates off.
      function.set_filename(String(trie_.string(frame.file)));
      function.set_start_line(frame.start_line);
    }
    return static_cast<uint64_t>(entry->second);
  }

  // Inlined frames share the location of the first caller that is not inlined.
  const LocatedStack& Locate(NodeId node) {
    LocatedStack& stack = stacks_[node];
    if (stack.location != 0) return stack;
    absl::InlinedVector<FrameId, 4> lines;
    NodeId caller = node;
    do {
      lines.push_back(trie_.frame_of(caller));
      caller = trie_.parent(caller);
    } while (caller != StackTrie::kRoot && trie_.frame(lines.back()).inlined);
    stack.caller = caller;
    stack.location = LocationFor(lines);
    return stack;
  }

  uint64_t LocationFor(const absl::InlinedVector<FrameId, 4>& lines) {
    const auto [entry, is_new] = locations_.try_emplace(lines, out_.location_size() + 1);
    if (!is_new) return static_cast<uint64_t>(entry->second);
    pb::Location& location = *out_.add_location();
    location.set_id(static_cast<uint64_t>(entry->second));
    location.set_mapping_id(MappingFor(trie_.frame(lines.back()).mapping));
    pb::Mapping* const mapping = location.mapping_id() == 0
                                     ? nullptr
                                     : out_.mutable_mapping(static_cast<int>(location.mapping_id() - 1));
    for (const FrameId id : lines) {
      const Frame& frame = trie_.frame(id);
      pb::Line& line = *location.add_line();
      line.set_function_id(FunctionFor(frame));
      line.set_line(frame.line);
      if (mapping == nullptr) continue;
      if (!trie_.string(frame.file).empty()) mapping->set_has_filenames(true);
      if (frame.line != 0) mapping->set_has_line_numbers(true);
      if (frame.inlined) mapping->set_has_inline_frames(true);
    }
    return static_cast<uint64_t>(entry->second);
  }

  uint64_t StacklessLocation() {
    if (stackless_location_ == 0) {
      pb::Function& function = *out_.add_function();
      function.set_id(static_cast<uint64_t>(out_.function_size()));
      function.set_name(String("[unknown]"));
      pb::Location& location = *out_.add_location();
      stackless_location_ = static_cast<uint64_t>(out_.location_size());
      location.set_id(stackless_location_);
      location.add_line()->set_function_id(function.id());
    }
    return stackless_location_;
  }

  const Profile& profile_;
  const StackTrie& trie_;
  pb::Profile& out_;
  absl::flat_hash_map<std::string, int> strings_;
  absl::flat_hash_map<StringId, int> mappings_;
  absl::flat_hash_map<std::tuple<StringId, StringId, uint32_t>, int> functions_;  // by name, file, first line
  absl::flat_hash_map<absl::InlinedVector<FrameId, 4>, int> locations_;
  std::vector<LocatedStack> stacks_;  // by node
  uint64_t stackless_location_ = 0;
};

}  // namespace

void ToPprof(const Profile& profile, pb::Profile& out) {
  const Labels no_labels;
  PprofBuilder(profile, out).Build({{&no_labels, &profile.samples}});
}

std::string WritePprof(const Profile& profile) {
  google::protobuf::Arena arena;
  auto& message = *google::protobuf::Arena::CreateMessage<pb::Profile>(&arena);
  ToPprof(profile, message);
  return Gzip(message.SerializeAsString());
}

std::string WritePprof(const LabelledProfile& labelled) {
  google::protobuf::Arena arena;
  auto& message = *google::protobuf::Arena::CreateMessage<pb::Profile>(&arena);
  std::vector<Part> parts;
  parts.reserve(labelled.parts.size());
  for (const LabelledSamples& part : labelled.parts) parts.push_back({&part.labels, &part.samples});
  PprofBuilder(labelled.profile, message).Build(parts);
  return Gzip(message.SerializeAsString());
}

}  // namespace pilotlight
