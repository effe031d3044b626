#include "exporters/otlp_tables.h"

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "exporters/otlp_schema.h"
#include "exporters/utf8.h"
#include "exporters/wire_fields.h"
#include "opentelemetry/proto/profiles/v1development/profiles.pb.h"

namespace pilotlight::otlp {
namespace {

namespace pb = opentelemetry::proto::profiles::v1development;

absl::Status NoEntry(absl::string_view table, int32_t index) {
  return absl::InvalidArgumentError(absl::StrCat("the dictionary has no ", table, " ", index));
}

// Whether `index` is one of `size`. 0 always is one.
bool IsIn(int32_t index, size_t size) {
  return index == 0 || (index > 0 && static_cast<size_t>(index) < size);
}

// What an attribute says of a location.
FrameKind KindOf(const Tables::Attribute& attribute) {
  if (attribute.key != "profile.frame.type") return FrameKind::kUnknown;
  if (attribute.text == "kernel") return FrameKind::kKernel;
  if (attribute.text == "go") return FrameKind::kGo;
  if (attribute.text == "native") return FrameKind::kNative;
  return FrameKind::kUnknown;
}

}  // namespace

class TablesParser {
 public:
  TablesParser(const std::vector<absl::string_view>& dictionary, const PprofLimits& limits)
      : dictionary_(dictionary), limits_(limits) {}

  absl::StatusOr<Tables> Parse() {
    using Dictionary = pb::ProfilesDictionary;
    // Each table after those that it has indices of.
    RETURN_IF_ERROR(Visit(Dictionary::kStringTableFieldNumber, "strings", limits_.max_strings,
                          [this](absl::string_view bytes) { return AddString(bytes); }));
    RETURN_IF_ERROR(VisitMessages<pb::KeyValueAndUnit>(
        Dictionary::kAttributeTableFieldNumber, "attributes",
        [this](const pb::KeyValueAndUnit& attribute) { return AddAttribute(attribute); }));
    RETURN_IF_ERROR(
        VisitMessages<pb::Mapping>(Dictionary::kMappingTableFieldNumber, "mappings",
                                   [this](const pb::Mapping& mapping) { return AddMapping(mapping); }));
    RETURN_IF_ERROR(
        VisitMessages<pb::Function>(Dictionary::kFunctionTableFieldNumber, "functions",
                                    [this](const pb::Function& function) { return AddFunction(function); }));
    RETURN_IF_ERROR(
        VisitMessages<pb::Location>(Dictionary::kLocationTableFieldNumber, "locations",
                                    [this](const pb::Location& location) { return AddLocation(location); }));
    RETURN_IF_ERROR(VisitMessages<pb::Stack>(Dictionary::kStackTableFieldNumber, "stacks",
                                             [this](const pb::Stack& stack) { return AddStack(stack); }));
    return std::move(tables_);
  }

 private:
  absl::Status Visit(int number, absl::string_view what, size_t limit,
                     absl::FunctionRef<absl::Status(absl::string_view)> add) const {
    size_t count = 0;
    for (const absl::string_view piece : dictionary_) {
      RETURN_IF_ERROR(VisitFields(piece, kNotOtlp, [&](const WireField& field) -> absl::Status {
        if (field.number != number) return absl::OkStatus();
        if (!field.is_bytes()) return Damaged(kNotOtlp);
        if (++count > limit) return TooMany(what, limit);
        return add(field.bytes);
      }));
    }
    return absl::OkStatus();
  }

  template <typename Message>
  absl::Status VisitMessages(int number, absl::string_view what,
                             absl::FunctionRef<absl::Status(const Message&)> add) const {
    Message message;  // reused: it keeps its memory
    return Visit(number, what, limits_.max_locations, [&](absl::string_view bytes) -> absl::Status {
      if (bytes.size() > limits_.max_message_bytes)
        return TooMany("bytes in one entry", limits_.max_message_bytes);
      if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Damaged(kNotOtlp);
      return add(message);
    });
  }

  static absl::Status TooMany(absl::string_view what, size_t limit) {
    return absl::OutOfRangeError(absl::StrCat("the dictionary has more than ", limit, " ", what));
  }

  absl::Status AddString(absl::string_view text) {
    frames().strings.push_back(Utf8Prefix(text, limits_.max_name_bytes));
    return absl::OkStatus();
  }

  absl::Status AddAttribute(const pb::KeyValueAndUnit& attribute) {
    ASSIGN_OR_RETURN(const absl::string_view key, tables_.String(attribute.key_strindex()));
    absl::string_view text;
    if (attribute.value().has_string_value_strindex()) {
      ASSIGN_OR_RETURN(text, tables_.String(attribute.value().string_value_strindex()));
    } else if (!attribute.value().string_value().empty()) {
      text = tables_.texts_.emplace_back(attribute.value().string_value());
    }
    tables_.attributes_.push_back({key, text});
    return absl::OkStatus();
  }

  absl::Status AddMapping(const pb::Mapping& mapping) {
    ASSIGN_OR_RETURN(const absl::string_view filename, tables_.String(mapping.filename_strindex()));
    RETURN_IF_ERROR(tables_.CheckAttributes(mapping.attribute_indices()));
    frames().mappings.push_back(
        {.start = mapping.memory_start(), .offset = mapping.file_offset(), .filename = filename});
    return absl::OkStatus();
  }

  absl::Status AddFunction(const pb::Function& function) {
    ASSIGN_OR_RETURN(absl::string_view name, tables_.String(function.name_strindex()));
    if (name.empty()) {
      ASSIGN_OR_RETURN(name, tables_.String(function.system_name_strindex()));
    }
    ASSIGN_OR_RETURN(const absl::string_view file, tables_.String(function.filename_strindex()));
    frames().functions.push_back(
        {.name = name, .file = file, .start_line = pprof::LineOf(function.start_line())});
    frames().has_go |= absl::EndsWith(file, ".go");
    return absl::OkStatus();
  }

  absl::Status AddLocation(const pb::Location& location) {
    if (!IsIn(location.mapping_index(), frames().mappings.size())) {
      return NoEntry("mapping", location.mapping_index());
    }
    RETURN_IF_ERROR(tables_.CheckAttributes(location.attribute_indices()));
    pprof::Location& added = frames().locations.emplace_back();
    added.address = location.address();
    if (!frames().mappings.empty()) added.mapping = static_cast<uint32_t>(location.mapping_index());
    added.first_line = static_cast<uint32_t>(frames().lines.size());
    added.line_count = static_cast<uint32_t>(std::max(location.lines_size(), 1));
    for (const int32_t attribute : location.attribute_indices()) {
      added.kind = std::max(added.kind, KindOf(tables_.attribute(attribute)));
    }
    if (frames().lines.size() + added.line_count > limits_.max_locations) {
      return TooMany("lines", limits_.max_locations);
    }
    const auto index = static_cast<uint32_t>(frames().locations.size() - 1);
    if (location.lines().empty()) {
      frames().lines.push_back({.function = pprof::kNone, .line = 0, .location = index, .inlined = false});
    }
    for (int i = 0; i < location.lines_size(); ++i) {
      const pb::Line& line = location.lines(i);
      if (!IsIn(line.function_index(), frames().functions.size())) {
        return NoEntry("function", line.function_index());
      }
      const auto function = static_cast<uint32_t>(line.function_index());
      const bool has_name =
          function < frames().functions.size() && !frames().functions[function].name.empty();
      frames().lines.push_back({.function = has_name ? function : pprof::kNone,
                                .line = pprof::LineOf(line.line()),
                                .location = index,
                                .inlined = i + 1 < location.lines_size()});
    }
    return absl::OkStatus();
  }

  absl::Status AddStack(const pb::Stack& stack) {
    for (const int32_t location : stack.location_indices()) {
      if (location < 0 || static_cast<size_t>(location) >= frames().locations.size()) {
        return NoEntry("location", location);
      }
      tables_.stacks_.push_back(static_cast<uint32_t>(location));
    }
    tables_.stack_ends_.push_back(static_cast<uint32_t>(tables_.stacks_.size()));
    return absl::OkStatus();
  }

  pprof::Tables& frames() { return tables_.frames_; }

  const std::vector<absl::string_view>& dictionary_;
  const PprofLimits& limits_;
  Tables tables_;
};

absl::StatusOr<Tables> Tables::Parse(const std::vector<absl::string_view>& dictionary,
                                     const PprofLimits& limits) {
  return TablesParser(dictionary, limits).Parse();
}

absl::StatusOr<absl::string_view> Tables::String(int32_t index) const {
  if (!IsIn(index, frames_.strings.size())) return NoEntry("string", index);
  return frames_.strings.empty() ? "" : frames_.strings[static_cast<size_t>(index)];
}

absl::StatusOr<absl::Span<const uint32_t>> Tables::Stack(int32_t index) const {
  if (!IsIn(index, stack_ends_.size())) return NoEntry("stack", index);
  if (stack_ends_.empty()) return absl::Span<const uint32_t>();
  const auto at = static_cast<size_t>(index);
  const size_t begin = at == 0 ? 0 : stack_ends_[at - 1];
  return absl::MakeConstSpan(stacks_).subspan(begin, stack_ends_[at] - begin);
}

absl::Status Tables::CheckAttributes(const Indices& indices) const {
  for (const int32_t index : indices) {
    if (!IsIn(index, attributes_.size())) return NoEntry("attribute", index);
  }
  return absl::OkStatus();
}

}  // namespace pilotlight::otlp
