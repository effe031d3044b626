#include <algorithm>
#include <climits>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "exporters/otlp.h"
#include "exporters/otlp_schema.h"
#include "exporters/otlp_tables.h"
#include "exporters/pprof_converter.h"
#include "exporters/pprof_labels.h"
#include "exporters/utf8.h"
#include "exporters/wire_fields.h"
#include "opentelemetry/proto/collector/profiles/v1development/profiles_service.pb.h"

namespace pilotlight {
namespace {

namespace pb = opentelemetry::proto::profiles::v1development;
using opentelemetry::proto::collector::profiles::v1development::ExportProfilesServiceRequest;
using opentelemetry::proto::common::v1::AnyValue;
using opentelemetry::proto::common::v1::KeyValue;
using opentelemetry::proto::resource::v1::Resource;
using otlp::kNotOtlp;
using otlp::Schema;

constexpr size_t kMaxProfiles = 10'000;                  // of a request; and as many resources
constexpr size_t kMaxAttributeBytes = size_t{16} << 20;  // of all resources

template <typename Message>
absl::Status ParseMessage(const WireField& field, const PprofLimits& limits, Message& message) {
  if (!field.is_bytes()) return Damaged(kNotOtlp);
  if (field.bytes.size() > limits.max_message_bytes) {
    return absl::OutOfRangeError(
        absl::StrCat("a message has more than ", limits.max_message_bytes, " bytes"));
  }
  return message.ParseFromArray(field.bytes.data(), static_cast<int>(field.bytes.size())) ? absl::OkStatus()
                                                                                          : Damaged(kNotOtlp);
}

// Calls `visit` with the bytes of each field `number` of a message.
template <typename Visit>
absl::Status VisitEach(absl::string_view bytes, int number, const Visit& visit) {
  return VisitFields(bytes, kNotOtlp, [&](const WireField& field) -> absl::Status {
    return field.number == number ? visit(field) : absl::OkStatus();
  });
}

// A profile but for its samples.
struct Heading {
  pprof::Column type;
  pprof::Column period_type;
  int64_t period = 0;
  int64_t time_nanos = 0;
  int64_t duration_nanos = 0;
};

// Tells processes and threads apart, which makes no series.
bool IsOfProcess(absl::string_view attribute) {
  return absl::StartsWith(attribute, "process.") || absl::StartsWith(attribute, "thread.") ||
         absl::StartsWith(attribute, "telemetry.");
}

// The label sets of one profile, numbered as its parts.
struct Parts {
  std::vector<uint32_t> sets;
  absl::flat_hash_map<uint32_t, uint32_t> by_set;
};

bool IsCpuTime(const pprof::Column& type) { return type.type == "cpu" && type.unit == "nanoseconds"; }

// What its samples become.
struct Plan {
  pprof::Heading heading;
  bool in_periods = false;  // what is sent are periods of CPU time
  bool has_events = false;  // the first column is the number of events
};

Plan MakePlan(const Heading& heading, bool scope_has_cpu_time) {
  Plan plan;
  plan.heading.period_type = heading.period_type;
  plan.heading.period = heading.period;
  plan.heading.time_nanos = heading.time_nanos;
  plan.heading.duration_nanos = heading.duration_nanos;
  pprof::Column value = heading.type;
  if (value.type == "samples" && value.unit == "count" && IsCpuTime(heading.period_type) &&
      heading.period > 0 && !scope_has_cpu_time) {
    value = heading.period_type;
    plan.in_periods = true;
  }
  plan.has_events = value.unit != "count";
  if (plan.has_events) plan.heading.columns.push_back({.type = "samples", .unit = "count"});
  plan.heading.columns.push_back(value);
  return plan;
}

class RequestReader {
 public:
  explicit RequestReader(const PprofLimits& limits) : limits_(limits) {}

  absl::StatusOr<std::vector<OtlpResource>> Read(absl::string_view request, absl::string_view version) {
    if (request.size() > std::min<size_t>(limits_.max_bytes, INT_MAX)) {
      return absl::OutOfRangeError(absl::StrCat("the request has more than ", limits_.max_bytes, " bytes"));
    }
    if (version.empty()) {
      ASSIGN_OR_RETURN(schema_, otlp::DetectSchema(request));
    } else if (version != kOtlpCurrentVersion) {
      return otlp::OtherSchema(absl::StrCat(kOtlpVersionHeader, " ", Utf8Prefix(version, 64)));
    }
    std::vector<absl::string_view> dictionary;
    RETURN_IF_ERROR(VisitEach(request, ExportProfilesServiceRequest::kDictionaryFieldNumber,
                              [&dictionary](const WireField& field) {
                                dictionary.push_back(field.bytes);
                                return absl::OkStatus();
                              }));
    ASSIGN_OR_RETURN(tables_, otlp::Tables::Parse(dictionary, limits_));
    std::vector<OtlpResource> resources;
    RETURN_IF_ERROR(VisitEach(request, ExportProfilesServiceRequest::kResourceProfilesFieldNumber,
                              [&](const WireField& field) -> absl::Status {
                                if (resources.size() == kMaxProfiles)
                                  return TooMany("resources", kMaxProfiles);
                                return ReadResource(field.bytes, resources.emplace_back());
                              }));
    return resources;
  }

 private:
  static absl::Status TooMany(absl::string_view what, size_t limit) {
    return absl::OutOfRangeError(absl::StrCat("the request has more than ", limit, " ", what));
  }

  absl::Status ReadResource(absl::string_view bytes, OtlpResource& resource) {
    return VisitFields(bytes, kNotOtlp, [&](const WireField& field) -> absl::Status {
      switch (field.number) {
        case pb::ResourceProfiles::kResourceFieldNumber:
          return VisitEach(field.bytes, Resource::kAttributesFieldNumber, [&](const WireField& attribute) {
            return ReadAttribute(attribute, resource.attributes);
          });
        case pb::ResourceProfiles::kScopeProfilesFieldNumber:
          return ReadScope(field.bytes, resource.profiles);
        default:
          return absl::OkStatus();
      }
    });
  }

  absl::Status ReadAttribute(const WireField& field, std::map<std::string, std::string>& attributes) {
    KeyValue attribute;
    RETURN_IF_ERROR(ParseMessage(field, limits_, attribute));
    absl::string_view key = attribute.key();
    if (attribute.key_strindex() != 0) {
      ASSIGN_OR_RETURN(key, tables_.String(attribute.key_strindex()));
    }
    ASSIGN_OR_RETURN(std::optional<std::string> text, TextOf(attribute.value()));
    if (!text) return absl::OkStatus();
    // Many may name the same long string.
    attribute_bytes_ += key.size() + text->size();
    if (attribute_bytes_ > kMaxAttributeBytes) return TooMany("bytes of attributes", kMaxAttributeBytes);
    attributes.insert_or_assign(ToValidUtf8(key), *std::move(text));
    return absl::OkStatus();
  }

  // Nothing for lists, maps and bytes.
  absl::StatusOr<std::optional<std::string>> TextOf(const AnyValue& value) const {
    switch (value.value_case()) {
      case AnyValue::kStringValue:
        return value.string_value();
      case AnyValue::kBoolValue:
        return std::string(value.bool_value() ? "true" : "false");
      case AnyValue::kIntValue:
        return absl::StrCat(value.int_value());
      case AnyValue::kDoubleValue:
        return absl::StrCat(value.double_value());
      case AnyValue::kStringValueStrindex: {
        ASSIGN_OR_RETURN(const absl::string_view text, tables_.String(value.string_value_strindex()));
        return ToValidUtf8(text);
      }
      default:
        return std::nullopt;
    }
  }

  absl::Status ReadScope(absl::string_view bytes, std::vector<absl::StatusOr<LabelledProfile>>& profiles) {
    bool has_cpu_time = false;
    RETURN_IF_ERROR(VisitEach(bytes, pb::ScopeProfiles::kProfilesFieldNumber,
                              [&](const WireField& field) -> absl::Status {
                                if (++profiles_ > kMaxProfiles) return TooMany("profiles", kMaxProfiles);
                                const absl::StatusOr<Heading> heading = ReadHeading(field.bytes);
                                has_cpu_time |= heading.ok() && IsCpuTime(heading->type);
                                return absl::OkStatus();
                              }));
    return VisitEach(bytes, pb::ScopeProfiles::kProfilesFieldNumber, [&](const WireField& field) {
      profiles.push_back(schema_ == Schema::kCurrent
                             ? ReadProfile<pb::Sample>(field.bytes, has_cpu_time)
                             : ReadProfile<pb::PreviousSample>(field.bytes, has_cpu_time));
      return absl::OkStatus();
    });
  }

  absl::StatusOr<Heading> ReadHeading(absl::string_view bytes) const {
    Heading heading;
    pb::ValueType type;
    pb::ValueType period_type;
    RETURN_IF_ERROR(VisitFields(bytes, kNotOtlp, [&](const WireField& field) -> absl::Status {
      constexpr auto kLast = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      switch (field.number) {
        case pb::Profile::kSampleTypeFieldNumber:
          return ParseMessage(field, limits_, type);
        case pb::Profile::kPeriodTypeFieldNumber:
          return ParseMessage(field, limits_, period_type);
        case pb::Profile::kPeriodFieldNumber:
          heading.period = static_cast<int64_t>(field.value);
          return absl::OkStatus();
        case pb::Profile::kTimeUnixNanoFieldNumber:
          heading.time_nanos = static_cast<int64_t>(std::min(field.value, kLast));
          return absl::OkStatus();
        case pb::Profile::kDurationNanoFieldNumber:
          heading.duration_nanos = static_cast<int64_t>(std::min(field.value, kLast));
          return absl::OkStatus();
        default:
          return absl::OkStatus();
      }
    }));
    ASSIGN_OR_RETURN(heading.type, Resolve(type));
    if (heading.type.type.empty()) heading.type.type = "samples";
    if (heading.type.unit.empty()) heading.type.unit = "count";
    ASSIGN_OR_RETURN(heading.period_type, Resolve(period_type));
    return heading;
  }

  absl::StatusOr<pprof::Column> Resolve(const pb::ValueType& type) const {
    pprof::Column column;
    ASSIGN_OR_RETURN(column.type, tables_.String(type.type_strindex()));
    ASSIGN_OR_RETURN(column.unit, tables_.String(type.unit_strindex()));
    return column;
  }

  template <typename Sample>
  absl::StatusOr<LabelledProfile> ReadProfile(absl::string_view bytes, bool scope_has_cpu_time) {
    ASSIGN_OR_RETURN(const Heading heading, ReadHeading(bytes));
    const Plan plan = MakePlan(heading, scope_has_cpu_time);
    // A converter takes as much room as there are lines.
    lines_ += tables_.frames().lines.size();
    if (lines_ > limits_.max_frames) return TooMany("lines, counted for each profile,", limits_.max_frames);
    pprof::Converter converter(tables_.frames(), plan.heading, limits_, usage_);
    Parts parts;
    Sample sample;  // reused: it keeps its memory
    const auto add = [&](const WireField& field) -> absl::Status {
      if (++samples_ > limits_.max_samples) return TooMany("samples", limits_.max_samples);
      RETURN_IF_ERROR(ParseMessage(field, limits_, sample));
      return Add(sample, heading, plan, parts, converter);
    };
    RETURN_IF_ERROR(VisitEach(bytes, pb::Profile::kSamplesFieldNumber, add));
    LabelledProfile made = std::move(converter.Finish()[0]);
    for (uint32_t part = 0; part < made.parts.size(); ++part) {
      made.parts[part].labels = label_sets_.labels(parts.sets[part]);
    }
    std::erase_if(made.parts, [](const LabelledSamples& part) { return part.samples.empty(); });
    return made;
  }

  absl::StatusOr<uint32_t> PartOf(const otlp::Indices& attributes, Parts& parts) {
    key_.clear();
    for (const int32_t index : attributes) {
      const otlp::Tables::Attribute attribute = tables_.attribute(index);
      if (!attribute.text.empty() && !IsOfProcess(attribute.key)) key_.push_back(index);
    }
    const auto texts_of_key = [this]() -> absl::StatusOr<pprof::LabelSets::Texts> {
      pprof::LabelSets::Texts texts;
      for (const int64_t index : key_) {
        const otlp::Tables::Attribute attribute = tables_.attribute(static_cast<int32_t>(index));
        texts.emplace_back(attribute.key, attribute.text);
      }
      return texts;
    };
    ASSIGN_OR_RETURN(const uint32_t set, label_sets_.SetOf(key_, texts_of_key));
    const auto [part, is_new] = parts.by_set.try_emplace(set, static_cast<uint32_t>(parts.sets.size()));
    if (is_new) parts.sets.push_back(set);
    return part->second;
  }

  template <typename Sample>
  absl::Status Add(const Sample& sample, const Heading& heading, const Plan& plan, Parts& parts,
                   pprof::Converter& converter) {
    ASSIGN_OR_RETURN(const absl::Span<const uint32_t> stack, tables_.Stack(sample.stack_index()));
    RETURN_IF_ERROR(tables_.CheckAttributes(sample.attribute_indices()));
    ASSIGN_OR_RETURN(const uint32_t part, PartOf(sample.attribute_indices(), parts));
    const int times = sample.timestamps_unix_nano_size();
    if (sample.values().empty() && times == 0) {
      return absl::InvalidArgumentError("a sample has neither values nor timestamps");
    }
    if (!sample.values().empty() && times > 0 && sample.values_size() != times) {
      return absl::InvalidArgumentError(
          absl::StrCat("a sample has ", sample.values_size(), " values and ", times, " timestamps"));
    }
    int64_t sum = sample.values().empty() ? times : 0;
    for (const int64_t value : sample.values()) {
      if (value < 0) return absl::InvalidArgumentError(absl::StrCat("a sample has the value ", value));
      if (__builtin_add_overflow(sum, value, &sum)) return TooLarge();
    }
    int64_t events = times;
    if (plan.in_periods) {
      events = sum;
      if (__builtin_mul_overflow(sum, heading.period, &sum)) return TooLarge();
    } else if (times == 0) {
      events = static_cast<int64_t>(
          pprof::EventsOf(sum, heading.period, heading.period_type.type == heading.type.type));
    }
    if (plan.has_events) return converter.Add(stack, {events, sum}, part);
    return converter.Add(stack, {sum}, part);
  }

  static absl::Status TooLarge() {
    return absl::OutOfRangeError("the values of the profile add up to more than can be counted");
  }

  const PprofLimits& limits_;
  Schema schema_ = Schema::kCurrent;
  otlp::Tables tables_;
  pprof::LabelSets label_sets_{limits_};
  pprof::LabelSets::Key key_;  // of the sample at hand
  pprof::Usage usage_;
  size_t attribute_bytes_ = 0;
  size_t profiles_ = 0;
  size_t samples_ = 0;
  size_t lines_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<OtlpResource>> ReadOtlp(absl::string_view request, absl::string_view version,
                                                   const PprofLimits& limits) {
  return RequestReader(limits).Read(request, version);
}

}  // namespace pilotlight
