// OTLP requests for tests, of each schema that is taken.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "opentelemetry/proto/collector/profiles/v1development/profiles_service.pb.h"

namespace pilotlight {

class OtlpRequest {
 public:
  using Message = opentelemetry::proto::collector::profiles::v1development::ExportProfilesServiceRequest;
  using Dictionary = opentelemetry::proto::profiles::v1development::ProfilesDictionary;
  using Profile = opentelemetry::proto::profiles::v1development::Profile;
  using Sample = opentelemetry::proto::profiles::v1development::Sample;
  using PreviousSample = opentelemetry::proto::profiles::v1development::PreviousSample;

  // With one resource that has no attributes and one scope.
  OtlpRequest() {
    dictionary().add_mapping_table();
    dictionary().add_location_table();
    dictionary().add_function_table();
    dictionary().add_link_table();
    dictionary().add_string_table();
    dictionary().add_attribute_table();
    dictionary().add_stack_table();
    message.add_resource_profiles()->add_scope_profiles();
  }

  Dictionary& dictionary() { return *message.mutable_dictionary(); }
  auto& resource() { return *message.mutable_resource_profiles(0); }

  void SetAttribute(absl::string_view key, absl::string_view value) {
    auto& attribute = *resource().mutable_resource()->add_attributes();
    attribute.set_key(std::string(key));
    attribute.mutable_value()->set_string_value(std::string(value));
  }

  int32_t String(absl::string_view text) {
    dictionary().add_string_table(std::string(text));
    return dictionary().string_table_size() - 1;
  }
  // Of one location with the functions `names`, the innermost first.
  int32_t Location(const std::vector<std::string>& names) {
    auto& location = *dictionary().add_location_table();
    for (const std::string& name : names) {
      auto& function = *dictionary().add_function_table();
      function.set_name_strindex(String(name));
      function.set_filename_strindex(String(name + ".c"));
      function.set_start_line(5);
      auto& line = *location.add_lines();
      line.set_function_index(dictionary().function_table_size() - 1);
      line.set_line(7);
    }
    return dictionary().location_table_size() - 1;
  }
  // The innermost location first.
  int32_t Stack(const std::vector<int32_t>& locations) {
    dictionary().add_stack_table()->mutable_location_indices()->Add(locations.begin(), locations.end());
    return dictionary().stack_table_size() - 1;
  }
  int32_t Attribute(absl::string_view key, absl::string_view value) {
    auto& attribute = *dictionary().add_attribute_table();
    attribute.set_key_strindex(String(key));
    attribute.mutable_value()->set_string_value(std::string(value));
    return dictionary().attribute_table_size() - 1;
  }

  Profile& AddProfile(absl::string_view type, absl::string_view unit) {
    Profile& profile = *resource().mutable_scope_profiles(0)->add_profiles();
    profile.mutable_sample_type()->set_type_strindex(String(type));
    profile.mutable_sample_type()->set_unit_strindex(String(unit));
    return profile;
  }
  void SetPeriod(Profile& profile, absl::string_view type, absl::string_view unit, int64_t period) {
    profile.mutable_period_type()->set_type_strindex(String(type));
    profile.mutable_period_type()->set_unit_strindex(String(unit));
    profile.set_period(period);
  }
  static Sample& AddSample(Profile& profile, int32_t stack, const std::vector<int64_t>& values,
                           const std::vector<uint64_t>& timestamps = {}) {
    Sample& sample = *profile.add_samples();
    sample.set_stack_index(stack);
    sample.mutable_values()->Add(values.begin(), values.end());
    sample.mutable_timestamps_unix_nano()->Add(timestamps.begin(), timestamps.end());
    return sample;
  }

  std::string Current() const { return message.SerializeAsString(); }
  std::string Previous() const {
    Message previous = message;
    for (auto& resource_profiles : *previous.mutable_resource_profiles()) {
      for (auto& scope : *resource_profiles.mutable_scope_profiles()) {
        for (Profile& profile : *scope.mutable_profiles()) {
          for (Sample& sample : *profile.mutable_samples()) ToPrevious(sample);
        }
      }
    }
    return previous.SerializeAsString();
  }

  Message message;

 private:
  // Its fields become unknown ones.
  static void ToPrevious(Sample& sample) {
    PreviousSample previous;
    previous.set_stack_index(sample.stack_index());
    *previous.mutable_values() = sample.values();
    *previous.mutable_attribute_indices() = sample.attribute_indices();
    previous.set_link_index(sample.link_index());
    *previous.mutable_timestamps_unix_nano() = sample.timestamps_unix_nano();
    sample.Clear();
    CHECK(Sample::GetReflection()->MutableUnknownFields(&sample)->ParseFromString(
        previous.SerializeAsString()));
  }
};

}  // namespace pilotlight
