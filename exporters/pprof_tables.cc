#include "exporters/pprof_tables.h"

#include <climits>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "exporters/utf8.h"
#include "exporters/wire_fields.h"

namespace pilotlight::pprof {
namespace {

namespace pb = perftools::profiles;

constexpr absl::string_view kNotPprof = "not a pprof profile";

absl::Status NotPprof() { return Damaged(kNotPprof); }

}  // namespace

uint32_t LineOf(int64_t line) {
  const bool fits = line > 0 && line <= std::numeric_limits<uint32_t>::max();
  return fits ? static_cast<uint32_t>(line) : 0;
}

bool LocationIds::Add(uint64_t id) {
  if (id == 0) return false;
  if (others_.empty() && id == uint64_t{count_} + 1) {
    ++count_;
    return true;
  }
  if (others_.empty()) {
    for (uint32_t index = 0; index < count_; ++index) others_.emplace(index + 1, index);
  }
  if (!others_.try_emplace(id, count_).second) return false;
  ++count_;
  return true;
}

namespace {

class TablesParser {
 public:
  explicit TablesParser(const PprofLimits& limits) : limits_(limits) {}

  absl::StatusOr<Tables> Parse(absl::string_view bytes) {
    RETURN_IF_ERROR(VisitFields(bytes, kNotPprof, [this](const WireField& field) { return Take(field); }));
    if (column_types_.empty())
      return absl::InvalidArgumentError("not a pprof profile: it has no sample types");
    if (!tables_.strings.empty() && !tables_.strings[0].empty()) {
      return absl::InvalidArgumentError("not a pprof profile: its first string is not empty");
    }
    for (const pb::ValueType& type : column_types_) {
      ASSIGN_OR_RETURN(Column column, Resolve(type));
      if (column.type.empty()) column.type = "samples";
      if (column.unit.empty()) column.unit = "count";
      tables_.heading.columns.push_back(column);
    }
    ASSIGN_OR_RETURN(tables_.heading.period_type, Resolve(period_type_));
    ASSIGN_OR_RETURN(tables_.heading.default_column.type, String(default_sample_type_));
    RETURN_IF_ERROR(ResolveMappings());
    RETURN_IF_ERROR(ResolveFunctions());
    RETURN_IF_ERROR(ResolveLocations());
    return std::move(tables_);
  }

 private:
  absl::Status Take(const WireField& field) {
    switch (field.number) {
      case pb::Profile::kStringTableFieldNumber:
        if (!field.is_bytes()) return NotPprof();
        if (tables_.strings.size() >= limits_.max_strings) return TooMany("strings", limits_.max_strings);
        tables_.strings.push_back(Utf8Prefix(field.bytes, limits_.max_name_bytes));
        return absl::OkStatus();
      case pb::Profile::kSampleFieldNumber:
        if (!field.is_bytes() || field.bytes.size() > limits_.max_message_bytes) return NotPprof();
        if (++samples_ > limits_.max_samples) return TooMany("samples", limits_.max_samples);
        return absl::OkStatus();
      case pb::Profile::kSampleTypeFieldNumber:
        if (column_types_.size() >= limits_.max_sample_types) {
          return TooMany("sample types", limits_.max_sample_types);
        }
        if (!field.is_bytes() || !Merge(field.bytes, column_types_.emplace_back())) return NotPprof();
        return absl::OkStatus();
      case pb::Profile::kMappingFieldNumber:
        RETURN_IF_ERROR(TakeOne(field, mappings_.size(), "mappings", mapping_));
        mappings_.push_back({.id = mapping_.id(),
                             .start = mapping_.memory_start(),
                             .offset = mapping_.file_offset(),
                             .filename = mapping_.filename()});
        return absl::OkStatus();
      case pb::Profile::kFunctionFieldNumber:
        RETURN_IF_ERROR(TakeOne(field, functions_.size(), "functions", function_));
        functions_.push_back({.id = function_.id(),
                              .name = function_.name(),
                              .system_name = function_.system_name(),
                              .filename = function_.filename(),
                              .start_line = function_.start_line()});
        return absl::OkStatus();
      case pb::Profile::kLocationFieldNumber:
        return TakeLocation(field);
      case pb::Profile::kPeriodTypeFieldNumber:
        if (!field.is_bytes() || !Merge(field.bytes, period_type_)) return NotPprof();
        return absl::OkStatus();
      case pb::Profile::kPeriodFieldNumber:
        return TakeNumber(field, tables_.heading.period);
      case pb::Profile::kTimeNanosFieldNumber:
        return TakeNumber(field, tables_.heading.time_nanos);
      case pb::Profile::kDurationNanosFieldNumber:
        return TakeNumber(field, tables_.heading.duration_nanos);
      case pb::Profile::kDefaultSampleTypeFieldNumber:
        return TakeNumber(field, default_sample_type_);
      default:
        return absl::OkStatus();  // fields that newer writers may add
    }
  }

  static absl::Status TooMany(absl::string_view what, size_t limit) {
    return absl::OutOfRangeError(absl::StrCat("the profile has more than ", limit, " ", what));
  }

  static absl::Status TakeNumber(const WireField& field, int64_t& number) {
    if (!field.is_varint()) return NotPprof();
    number = static_cast<int64_t>(field.value);
    return absl::OkStatus();
  }

  template <typename Message>
  static bool Merge(absl::string_view bytes, Message& message) {
    return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  }

  // There are `count` already.
  template <typename Message>
  absl::Status TakeOne(const WireField& field, size_t count, absl::string_view what, Message& message) const {
    if (!field.is_bytes() || field.bytes.size() > limits_.max_message_bytes) return NotPprof();
    if (count >= limits_.max_locations) return TooMany(what, limits_.max_locations);
    if (!Merge(field.bytes, message)) return NotPprof();
    return absl::OkStatus();
  }

  // Locations may come before their functions and mappings: for now `mapping` and `function` of the lines
  // are kept by id, in `location_mapping_ids_` and `line_function_ids_`.
  absl::Status TakeLocation(const WireField& field) {
    if (!field.is_bytes() || field.bytes.size() > limits_.max_message_bytes) return NotPprof();
    if (!Merge(field.bytes, location_)) return NotPprof();
    const auto index = static_cast<uint32_t>(tables_.locations.size());
    if (!tables_.location_ids.Add(location_.id())) {
      return absl::InvalidArgumentError(
          absl::StrCat("location ", location_.id(), " of the profile is not unique, or 0"));
    }
    const auto line_count = std::max(location_.line_size(), 1);
    if (index >= limits_.max_locations ||
        tables_.lines.size() + static_cast<size_t>(line_count) > limits_.max_locations) {
      return TooMany("locations", limits_.max_locations);
    }
    tables_.locations.push_back({.address = location_.address(),
                                 .mapping = kNone,
                                 .first_line = static_cast<uint32_t>(tables_.lines.size()),
                                 .line_count = static_cast<uint32_t>(line_count)});
    location_mapping_ids_.push_back(location_.mapping_id());
    if (location_.line().empty()) {
      tables_.lines.push_back({.function = kNone, .line = 0, .location = index, .inlined = false});
      line_function_ids_.push_back(0);
    }
    for (int i = 0; i < location_.line_size(); ++i) {
      const pb::Line& line = location_.line(i);
      tables_.lines.push_back({.function = kNone,
                               .line = LineOf(line.line()),
                               .location = index,
                               .inlined = i + 1 < location_.line_size()});
      line_function_ids_.push_back(line.function_id());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<absl::string_view> String(int64_t index) const {
    if (index == 0) return absl::string_view();
    if (index < 0 || static_cast<uint64_t>(index) >= tables_.strings.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the profile has no string ", index));
    }
    return tables_.strings[static_cast<size_t>(index)];
  }

  absl::StatusOr<Column> Resolve(const pb::ValueType& type) const {
    Column column;
    ASSIGN_OR_RETURN(column.type, String(type.type()));
    ASSIGN_OR_RETURN(column.unit, String(type.unit()));
    return column;
  }

  absl::Status ResolveMappings() {
    for (const NumberedMapping& mapping : mappings_) {
      ASSIGN_OR_RETURN(const absl::string_view filename, String(mapping.filename));
      mapping_of_id_.try_emplace(mapping.id, static_cast<uint32_t>(tables_.mappings.size()));
      tables_.mappings.push_back({.start = mapping.start, .offset = mapping.offset, .filename = filename});
    }
    return absl::OkStatus();
  }

  absl::Status ResolveFunctions() {
    for (const NumberedFunction& function : functions_) {
      ASSIGN_OR_RETURN(absl::string_view name, String(function.name));
      if (name.empty()) {
        ASSIGN_OR_RETURN(name, String(function.system_name));
      }
      if (name.empty()) name = "[unknown]";
      ASSIGN_OR_RETURN(const absl::string_view file, String(function.filename));
      function_of_id_.try_emplace(function.id, static_cast<uint32_t>(tables_.functions.size()));
      tables_.functions.push_back({.name = name, .file = file, .start_line = LineOf(function.start_line)});
      tables_.has_go |= absl::EndsWith(file, ".go");
    }
    return absl::OkStatus();
  }

  absl::Status ResolveLocations() {
    for (size_t i = 0; i < tables_.locations.size(); ++i) {
      if (location_mapping_ids_[i] == 0) continue;
      const auto mapping = mapping_of_id_.find(location_mapping_ids_[i]);
      if (mapping == mapping_of_id_.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the profile has no mapping ", location_mapping_ids_[i]));
      }
      tables_.locations[i].mapping = mapping->second;
    }
    for (size_t i = 0; i < tables_.lines.size(); ++i) {
      if (line_function_ids_[i] == 0) continue;
      const auto function = function_of_id_.find(line_function_ids_[i]);
      if (function == function_of_id_.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the profile has no function ", line_function_ids_[i]));
      }
      tables_.lines[i].function = function->second;
    }
    return absl::OkStatus();
  }

  // With their strings by number, as these may come later.
  struct NumberedMapping {
    uint64_t id, start, offset;
    int64_t filename;
  };
  struct NumberedFunction {
    uint64_t id;
    int64_t name, system_name, filename, start_line;
  };

  const PprofLimits& limits_;
  Tables tables_;
  size_t samples_ = 0;
  // Reused: they keep their memory.
  pb::Location location_;
  pb::Function function_;
  pb::Mapping mapping_;
  std::vector<pb::ValueType> column_types_;
  pb::ValueType period_type_;
  int64_t default_sample_type_ = 0;
  std::vector<NumberedMapping> mappings_;
  std::vector<NumberedFunction> functions_;
  std::vector<uint64_t> location_mapping_ids_;
  std::vector<uint64_t> line_function_ids_;
  absl::flat_hash_map<uint64_t, uint32_t> mapping_of_id_;
  absl::flat_hash_map<uint64_t, uint32_t> function_of_id_;
};

}  // namespace

absl::StatusOr<Tables> ParseTables(absl::string_view bytes, const PprofLimits& limits) {
  if (bytes.size() > std::min<size_t>(limits.max_bytes, INT_MAX)) {
    return absl::OutOfRangeError(absl::StrCat("the profile has more than ", limits.max_bytes, " bytes"));
  }
  return TablesParser(limits).Parse(bytes);
}

absl::Status VisitSamples(absl::string_view bytes,
                          const std::function<absl::Status(const pb::Sample&)>& visit) {
  pb::Sample sample;  // reused: it keeps its memory
  return VisitFields(bytes, kNotPprof, [&](const WireField& field) -> absl::Status {
    if (field.number != pb::Profile::kSampleFieldNumber) return absl::OkStatus();
    if (!sample.ParseFromArray(field.bytes.data(), static_cast<int>(field.bytes.size()))) return NotPprof();
    return visit(sample);
  });
}

}  // namespace pilotlight::pprof
