#include "exporters/otlp_schema.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "exporters/otlp.h"
#include "exporters/wire_fields.h"
#include "opentelemetry/proto/collector/profiles/v1development/profiles_service.pb.h"

namespace pilotlight::otlp {
namespace {

namespace pb = opentelemetry::proto::profiles::v1development;
namespace service = opentelemetry::proto::collector::profiles::v1development;

size_t CountVarints(absl::string_view packed) {
  return static_cast<size_t>(
      std::count_if(packed.begin(), packed.end(), [](char c) { return static_cast<int8_t>(c) >= 0; }));
}

class Detector {
 public:
  absl::StatusOr<Schema> Detect(absl::string_view request) {
    RETURN_IF_ERROR(VisitFields(request, kNotOtlp, [this](const WireField& field) {
      using Request = service::ExportProfilesServiceRequest;
      if (field.number == Request::kDictionaryFieldNumber) has_dictionary_ = true;
      return field.number == Request::kResourceProfilesFieldNumber ? VisitResource(field.bytes)
                                                                   : absl::OkStatus();
    }));
    if (has_profiles_ && !has_dictionary_) return OtherSchema("there is no dictionary");
    if (current_ && previous_) return OtherSchema("some samples are of one, some of another");
    return previous_ ? Schema::kPrevious : Schema::kCurrent;
  }

 private:
  absl::Status VisitResource(absl::string_view bytes) {
    return VisitFields(bytes, kNotOtlp, [this](const WireField& field) {
      return field.number == pb::ResourceProfiles::kScopeProfilesFieldNumber ? VisitScope(field.bytes)
                                                                             : absl::OkStatus();
    });
  }

  absl::Status VisitScope(absl::string_view bytes) {
    return VisitFields(bytes, kNotOtlp, [this](const WireField& field) {
      return field.number == pb::ScopeProfiles::kProfilesFieldNumber ? VisitProfile(field.bytes)
                                                                     : absl::OkStatus();
    });
  }

  absl::Status VisitProfile(absl::string_view bytes) {
    has_profiles_ = true;
    constexpr std::array<WireType, 11> kTypes = {WireType::kBytes,  WireType::kBytes,  WireType::kFixed64,
                                                 WireType::kVarint, WireType::kBytes,  WireType::kVarint,
                                                 WireType::kBytes,  WireType::kVarint, WireType::kBytes,
                                                 WireType::kBytes,  WireType::kBytes};
    int sample_types = 0;
    return VisitFields(bytes, kNotOtlp, [this, &sample_types, &kTypes](const WireField& field) {
      const auto index = static_cast<size_t>(field.number) - 1;
      if (index >= kTypes.size() || field.type != kTypes[index]) {
        return OtherSchema(absl::StrCat("field ", field.number, " of a profile"));
      }
      if (field.number == pb::Profile::kSampleTypeFieldNumber) {
        if (++sample_types > 1) return OtherSchema("a profile has several sample types");
        return VisitSampleType(field.bytes);
      }
      return field.number == pb::Profile::kSamplesFieldNumber ? VisitSample(field.bytes) : absl::OkStatus();
    });
  }

  static absl::Status VisitSampleType(absl::string_view bytes) {
    return VisitFields(bytes, kNotOtlp, [](const WireField& field) {
      return field.number > pb::ValueType::kUnitStrindexFieldNumber
                 ? OtherSchema("a sample type has an aggregation temporality")
                 : absl::OkStatus();
    });
  }

  absl::Status VisitSample(absl::string_view bytes) {
    bool has_times = false;
    bool has_second = false;
    bool is_told = false;
    size_t second = 0;
    size_t times = 0;
    RETURN_IF_ERROR(VisitFields(bytes, kNotOtlp, [&](const WireField& field) {
      switch (field.number) {
        case 1:
          return field.is_varint() ? absl::OkStatus() : OtherSchema("field 1 of a sample");
        case 2:
          if (!field.is_bytes()) return OtherSchema("a sample has no stack");
          has_second = true;
          second += CountVarints(field.bytes);
          return absl::OkStatus();
        case 3:
          is_told = true;
          (field.is_bytes() ? previous_ : current_) = true;
          return absl::OkStatus();
        case 4:
          is_told = true;
          (field.is_bytes() ? current_ : previous_) = true;
          return absl::OkStatus();
        case 5:
          if (field.is_varint()) return OtherSchema("field 5 of a sample");
          has_times = true;
          times += field.is_bytes() ? field.bytes.size() / sizeof(uint64_t) : 1;
          return absl::OkStatus();
        default:
          return OtherSchema(absl::StrCat("field ", field.number, " of a sample"));
      }
    }));
    if (is_told || !has_second) return absl::OkStatus();
    // Of the current schema it has attributes and no values, of the previous one values and no attributes.
    if (!has_times) previous_ = true;
    if (has_times && second != times) current_ = true;
    return absl::OkStatus();
  }

  bool has_profiles_ = false;
  bool has_dictionary_ = false;
  bool current_ = false;
  bool previous_ = false;
};

}  // namespace

absl::Status OtherSchema(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("OTLP profiles of a schema that is not taken (", what, "); taken are ", kOtlpSchemas));
}

absl::StatusOr<Schema> DetectSchema(absl::string_view request) { return Detector().Detect(request); }

}  // namespace pilotlight::otlp
