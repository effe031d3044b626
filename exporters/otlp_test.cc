#include "exporters/otlp.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "exporters/folded.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/otlp_request.h"

namespace pilotlight {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// "main;work = 3 30", the count and the value.
std::vector<std::string> Describe(const Profile& profile) {
  std::vector<std::string> lines;
  for (const Sample& sample : profile.samples) {
    std::vector<absl::string_view> names;
    for (const FrameId id : profile.trie.Stack(sample.node)) names.push_back(profile.trie.view(id).function);
    lines.push_back(absl::StrCat(absl::StrJoin(names, ";"), " = ", sample.count, " ", sample.value));
  }
  return lines;
}

// The only resource's, without labels of samples.
std::vector<absl::StatusOr<Profile>> ProfilesOf(const std::string& bytes, absl::string_view version = "") {
  absl::StatusOr<std::vector<OtlpResource>> resources = ReadOtlp(bytes, version);
  EXPECT_TRUE(resources.ok()) << resources.status();
  std::vector<absl::StatusOr<Profile>> profiles;
  if (resources.ok() && resources->size() == 1) {
    for (absl::StatusOr<LabelledProfile>& made : (*resources)[0].profiles) {
      if (made.ok()) {
        profiles.emplace_back(AddUpParts(*std::move(made)));
      } else {
        profiles.emplace_back(made.status());
      }
    }
    return profiles;
  }
  profiles.emplace_back(absl::InternalError("not one resource"));
  return profiles;
}

// Each of the two schemas.
struct Form {
  std::string name;
  std::string (OtlpRequest::*serialize)() const;
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

class OtlpTest : public testing::TestWithParam<Form> {
 protected:
  std::string Bytes() const { return (request_.*GetParam().serialize)(); }
  std::vector<absl::StatusOr<Profile>> Read() const { return ProfilesOf(Bytes()); }
  // Of one profile that is wrong.
  std::string Error() const {
    const std::vector<absl::StatusOr<Profile>> profiles = Read();
    return profiles.size() == 1 ? profiles[0].status().ToString() : "not one profile";
  }
  // Of a request that is wrong.
  std::string RequestError() const { return ReadOtlp(Bytes()).status().ToString(); }

  OtlpRequest request_;
  const int32_t main_ = request_.Location({"main"});
  const int32_t stack_ = request_.Stack({request_.Location({"inner", "work"}), main_});
};

INSTANTIATE_TEST_SUITE_P(Schemas, OtlpTest,
                         testing::Values(Form{"Current", &OtlpRequest::Current},
                                         Form{"Previous", &OtlpRequest::Previous}),
                         [](const auto& form) { return form.param.name; });

TEST_P(OtlpTest, ReadsNamesLinesAndInlinedCalls) {
  OtlpRequest::AddSample(request_.AddProfile("cpu", "nanoseconds"), stack_, {30});
  const std::vector<absl::StatusOr<Profile>> profiles = Read();
  ASSERT_EQ(profiles.size(), 1);
  ASSERT_TRUE(profiles[0].ok()) << profiles[0].status();
  EXPECT_THAT(Describe(*profiles[0]), ElementsAre("main;work;inner = 1 30"));
  const StackTrie& trie = profiles[0]->trie;
  const FrameView inner = trie.view(trie.Stack(profiles[0]->samples[0].node).back());
  EXPECT_EQ(inner.file, "inner.c");
  EXPECT_EQ(inner.line, 7);
  EXPECT_EQ(inner.start_line, 5);
  EXPECT_TRUE(inner.inlined);
  EXPECT_TRUE(inner.symbolized);
}

TEST_P(OtlpTest, EventsAreCountedByTheirTimestamps) {
  auto& profile = request_.AddProfile("off_cpu", "nanoseconds");
  OtlpRequest::AddSample(profile, stack_, {1000, 2000}, {1, 2});
  OtlpRequest::AddSample(profile, request_.Stack({main_}), {5000});
  const std::vector<absl::StatusOr<Profile>> profiles = Read();
  EXPECT_THAT(Describe(*profiles[0]), ElementsAre("main = 1 5000", "main;work;inner = 2 3000"));
  EXPECT_EQ(profiles[0]->type.ToString(), "off_cpu:off_cpu:nanoseconds::");
}

TEST_P(OtlpTest, TimestampsAloneAreEventsOfValueOne) {
  auto& profile = request_.AddProfile("events", "count");
  OtlpRequest::AddSample(profile, stack_, {}, {1, 2, 3}).add_attribute_indices(request_.Attribute("a", "b"));
  EXPECT_THAT(Describe(*Read()[0]), ElementsAre("main;work;inner = 3 3"));
}

TEST_P(OtlpTest, AttributesOfSamplesAreTheirLabels) {
  auto& profile = request_.AddProfile("events", "count");
  const int32_t cart = request_.Attribute("http.route", "/cart");
  const int32_t thread = request_.Attribute("thread.name", "worker");
  const int32_t span = request_.Attribute("span_id", "12ab");
  const int32_t number = request_.Attribute("number", "");
  request_.dictionary().mutable_attribute_table(number)->mutable_value()->set_int_value(7);
  const int32_t by_index = request_.Attribute("http.route", "");
  request_.dictionary().mutable_attribute_table(by_index)->mutable_value()->set_string_value_strindex(
      request_.String("/checkout"));
  const auto add = [&](int64_t value, const std::vector<int32_t>& attributes) {
    auto& sample = OtlpRequest::AddSample(profile, stack_, {value});
    sample.mutable_attribute_indices()->Add(attributes.begin(), attributes.end());
  };
  add(1, {cart});
  add(2, {cart, thread, span});
  add(4, {number, by_index});
  add(8, {number});
  const auto resources = ReadOtlp(Bytes());
  ASSERT_TRUE(resources.ok()) << resources.status();
  std::map<Labels, int64_t> values;
  for (const LabelledSamples& part : (*resources)[0].profiles[0]->parts) {
    EXPECT_TRUE(values.emplace(part.labels, Totals(part.samples).value).second);
  }
  EXPECT_THAT(values, ElementsAre(Pair(Labels{}, 8), Pair(Labels{{"http_route", "/cart"}}, 3),
                                  Pair(Labels{{"http_route", "/checkout"}}, 4)));
}

TEST_P(OtlpTest, TooManyLabelSetsAreOfOneOverflowingSeries) {
  PprofLimits limits;
  limits.max_label_sets = 2;
  for (const char* type : {"events", "others"}) {
    auto& profile = request_.AddProfile(type, "count");
    for (const char* route : {"/a", "/b", "/c"}) {
      OtlpRequest::AddSample(profile, stack_, {1})
          .add_attribute_indices(request_.Attribute("route", absl::StrCat(type, route)));
    }
  }
  const auto resources = ReadOtlp(Bytes(), "", limits);
  ASSERT_TRUE(resources.ok()) << resources.status();
  const auto& profiles = (*resources)[0].profiles;
  EXPECT_EQ(profiles[0]->parts.size(), 3u);
  ASSERT_EQ(profiles[1]->parts.size(), 1u);
  EXPECT_THAT(profiles[1]->parts[0].labels, ElementsAre(Pair("overflow", "true")));
  EXPECT_EQ(Totals(profiles[1]->parts[0].samples).value, 3);
}

TEST_P(OtlpTest, SamplesInPeriodsOfCpuTimeAreCpuTime) {
  auto& profile = request_.AddProfile("samples", "count");
  request_.SetPeriod(profile, "cpu", "nanoseconds", 10);
  OtlpRequest::AddSample(profile, stack_, {}, {1, 2, 3}).add_attribute_indices(request_.Attribute("a", "b"));
  OtlpRequest::AddSample(profile, request_.Stack({main_}), {4});
  const std::vector<absl::StatusOr<Profile>> profiles = Read();
  EXPECT_EQ(profiles[0]->type, ProfileType());
  EXPECT_EQ(profiles[0]->period, 10);
  EXPECT_THAT(Describe(*profiles[0]), ElementsAre("main = 4 40", "main;work;inner = 3 30"));
}

TEST_P(OtlpTest, SamplesBesideCpuTimeStaySamples) {
  auto& samples = request_.AddProfile("samples", "count");
  request_.SetPeriod(samples, "cpu", "nanoseconds", 10);
  OtlpRequest::AddSample(samples, stack_, {3});
  auto& time = request_.AddProfile("cpu", "nanoseconds");
  request_.SetPeriod(time, "cpu", "nanoseconds", 10);
  OtlpRequest::AddSample(time, stack_, {30});
  const std::vector<absl::StatusOr<Profile>> profiles = Read();
  ASSERT_EQ(profiles.size(), 2);
  EXPECT_EQ(profiles[0]->type.ToString(), "process_cpu:samples:count:cpu:nanoseconds");
  EXPECT_EQ(profiles[1]->type, ProfileType());
  EXPECT_THAT(Describe(*profiles[1]), ElementsAre("main;work;inner = 3 30"));
}

TEST_P(OtlpTest, LocationsWithoutLinesAreNamedByTheirAddress) {
  auto& mapping = *request_.dictionary().add_mapping_table();
  mapping.set_filename_strindex(request_.String("/usr/lib/libshop.so"));
  mapping.set_memory_start(0x1000);
  auto& location = *request_.dictionary().add_location_table();
  location.set_mapping_index(1);
  location.set_address(0x1234);
  location.add_attribute_indices(request_.Attribute("profile.frame.type", "kernel"));
  const int32_t index = request_.dictionary().location_table_size() - 1;
  OtlpRequest::AddSample(request_.AddProfile("cpu", "nanoseconds"), request_.Stack({index}), {1});
  const std::vector<absl::StatusOr<Profile>> profiles = Read();
  EXPECT_THAT(Describe(*profiles[0]), ElementsAre("libshop.so+0x234 = 1 1"));
  EXPECT_EQ(profiles[0]->loss.unsymbolized_frames, 1);
  const StackTrie& trie = profiles[0]->trie;
  EXPECT_EQ(trie.view(trie.Stack(profiles[0]->samples[0].node)[0]).kind, FrameKind::kKernel);
}

TEST_P(OtlpTest, ReadsTimesAndAttributesOfTheResource) {
  request_.SetAttribute("service.name", "shop");
  auto& by_index = *request_.resource().mutable_resource()->add_attributes();
  by_index.set_key_strindex(request_.String("k8s.pod.name"));
  by_index.mutable_value()->set_string_value_strindex(request_.String("shop-1"));
  auto& number = *request_.resource().mutable_resource()->add_attributes();
  number.set_key("process.pid");
  number.mutable_value()->set_int_value(42);
  auto& list = *request_.resource().mutable_resource()->add_attributes();
  list.set_key("process.command_args");
  list.mutable_value()->mutable_array_value()->add_values()->set_string_value("-v");
  auto& profile = request_.AddProfile("cpu", "nanoseconds");
  profile.set_time_unix_nano(5'000'000'000);
  profile.set_duration_nano(3'000'000'000);
  OtlpRequest::AddSample(profile, stack_, {1});

  const absl::StatusOr<std::vector<OtlpResource>> resources = ReadOtlp(Bytes());
  ASSERT_TRUE(resources.ok()) << resources.status();
  EXPECT_THAT(
      (*resources)[0].attributes,
      ElementsAre(Pair("k8s.pod.name", "shop-1"), Pair("process.pid", "42"), Pair("service.name", "shop")));
  EXPECT_EQ((*resources)[0].profiles[0]->profile.start, absl::FromUnixSeconds(5));
  EXPECT_EQ((*resources)[0].profiles[0]->profile.duration, absl::Seconds(3));
}

TEST_P(OtlpTest, ABadProfileLeavesTheOthers) {
  OtlpRequest::AddSample(request_.AddProfile("cpu", "nanoseconds"), 99, {1});
  OtlpRequest::AddSample(request_.AddProfile("off_cpu", "nanoseconds"), stack_, {2});
  const std::vector<absl::StatusOr<Profile>> profiles = Read();
  ASSERT_EQ(profiles.size(), 2);
  EXPECT_THAT(profiles[0].status().ToString(),
              AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("no stack 99")));
  EXPECT_THAT(Describe(*profiles[1]), ElementsAre("main;work;inner = 1 2"));
}

TEST_P(OtlpTest, RefusesValuesThatCannotBe) {
  auto& sample = OtlpRequest::AddSample(request_.AddProfile("cpu", "nanoseconds"), stack_, {-1});
  EXPECT_THAT(Error(), HasSubstr("the value -1"));
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  sample.set_values(0, kMost);
  EXPECT_THAT(Error(), HasSubstr("OUT_OF_RANGE"));
  sample.add_values(kMost);
  EXPECT_THAT(Error(), HasSubstr("OUT_OF_RANGE"));
  auto& profile = *request_.resource().mutable_scope_profiles(0)->mutable_profiles(0);
  profile.mutable_sample_type()->set_type_strindex(request_.String("samples"));
  profile.mutable_sample_type()->set_unit_strindex(request_.String("count"));
  request_.SetPeriod(profile, "cpu", "nanoseconds", kMost);
  sample.clear_values();
  sample.add_values(2);
  EXPECT_THAT(Error(), HasSubstr("OUT_OF_RANGE"));
}

TEST_P(OtlpTest, RefusesSamplesWithoutOrWithTheWrongNumberOfValues) {
  auto& profile = request_.AddProfile("cpu", "nanoseconds");
  OtlpRequest::AddSample(profile, stack_, {1});
  auto& sample = OtlpRequest::AddSample(profile, stack_, {});
  EXPECT_THAT(Error(), HasSubstr("neither values nor timestamps"));
  sample.add_values(1);
  sample.add_values(2);
  sample.add_timestamps_unix_nano(1);
  sample.add_attribute_indices(request_.Attribute("a", "b"));
  EXPECT_THAT(Error(), HasSubstr("2 values and 1 timestamps"));
}

TEST_P(OtlpTest, RefusesWhatTheDictionaryDoesNotHave) {
  auto& profile = request_.AddProfile("cpu", "nanoseconds");
  auto& sample = OtlpRequest::AddSample(profile, stack_, {1});
  sample.add_attribute_indices(9);
  EXPECT_THAT(Error(), HasSubstr("no attribute 9"));
  sample.set_attribute_indices(0, 0);
  profile.mutable_sample_type()->set_type_strindex(99);
  EXPECT_THAT(Error(), HasSubstr("no string 99"));
  profile.mutable_sample_type()->set_type_strindex(-1);
  EXPECT_THAT(Error(), HasSubstr("no string -1"));

  auto& dictionary = request_.dictionary();
  dictionary.mutable_stack_table(1)->set_location_indices(0, 99);
  EXPECT_THAT(RequestError(), HasSubstr("no location 99"));
  dictionary.mutable_location_table(1)->mutable_lines(0)->set_function_index(-3);
  EXPECT_THAT(RequestError(), HasSubstr("no function -3"));
  dictionary.mutable_location_table(1)->set_mapping_index(99);
  EXPECT_THAT(RequestError(), HasSubstr("no mapping 99"));
  dictionary.mutable_function_table(1)->set_name_strindex(99);
  EXPECT_THAT(RequestError(), HasSubstr("no string 99"));
}

TEST_P(OtlpTest, RefusesWhatIsTooMuch) {
  OtlpRequest::AddSample(request_.AddProfile("cpu", "nanoseconds"), stack_, {1});
  OtlpRequest::AddSample(request_.AddProfile("off_cpu", "nanoseconds"), stack_, {1});
  const auto error = [this](const PprofLimits& limits) {
    const absl::StatusOr<std::vector<OtlpResource>> resources = ReadOtlp(Bytes(), "", limits);
    if (!resources.ok()) return resources.status().ToString();
    return (*resources)[0].profiles[1].status().ToString();
  };
  EXPECT_EQ(error({}), "OK");
  EXPECT_THAT(error({.max_bytes = 10}), HasSubstr("more than 10 bytes"));
  EXPECT_THAT(error({.max_strings = 5}), HasSubstr("more than 5 strings"));
  EXPECT_THAT(error({.max_locations = 2}), HasSubstr("more than 2"));
  EXPECT_THAT(error({.max_samples = 1}), HasSubstr("more than 1 samples"));
  EXPECT_THAT(error({.max_nodes = 5}), HasSubstr("more than 5 different stacks"));
  EXPECT_THAT(error({.max_frames = 4}), HasSubstr("more than 4"));
}

TEST_P(OtlpTest, RefusesAttributesThatGrow) {
  const int32_t text = request_.String(std::string(16'000, 'x'));
  for (int i = 0; i < 2000; ++i) {
    request_.SetAttribute("key", "");
    request_.resource().mutable_resource()->mutable_attributes(i)->mutable_value()->set_string_value_strindex(
        text);
  }
  EXPECT_THAT(RequestError(), HasSubstr("bytes of attributes"));
}

TEST_P(OtlpTest, EveryCutOffIsRefusedOrRead) {
  request_.SetAttribute("service.name", "shop");
  OtlpRequest::AddSample(request_.AddProfile("cpu", "nanoseconds"), stack_, {1});
  const std::string bytes = Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) ReadOtlp(bytes.substr(0, size)).IgnoreError();
  EXPECT_THAT(ReadOtlp("\xff").status().ToString(), HasSubstr("damaged or cut off"));
}

TEST(OtlpSchemaTest, TheVersionOfTheRequestTells) {
  OtlpRequest request;
  const int32_t stack = request.Stack({request.Location({"main"})});
  const int32_t attribute = request.Attribute("a", "b");
  // Of the previous schema it would have the values 1 and 1.
  auto& sample = OtlpRequest::AddSample(request.AddProfile("events", "count"), stack, {}, {5, 6});
  sample.add_attribute_indices(attribute);
  sample.add_attribute_indices(attribute);
  EXPECT_THAT(Describe(*ProfilesOf(request.Current(), "1")[0]), ElementsAre("main = 2 2"));
  EXPECT_THAT(Describe(*ProfilesOf(request.Current())[0]), ElementsAre("main = 2 2"));
  for (const char* version : {"2", "01", "1,1", "one"}) {
    EXPECT_THAT(
        ReadOtlp(request.Current(), version).status().ToString(),
        AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr(version), HasSubstr(std::string(kOtlpSchemas))));
  }
}

TEST(OtlpSchemaTest, OthersAreRefusedByName) {
  using UnknownFields = google::protobuf::UnknownFieldSet;
  const auto fields_of = [](google::protobuf::Message& message) -> UnknownFields& {
    return *message.GetReflection()->MutableUnknownFields(&message);
  };
  const auto error = [](const OtlpRequest& request) {
    const absl::Status status = ReadOtlp(request.Current()).status();
    EXPECT_THAT(status.ToString(),
                AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr(std::string(kOtlpSchemas))));
    return std::string(status.message());
  };
  const auto make = [](auto change) {
    OtlpRequest request;
    auto& profile = request.AddProfile("cpu", "nanoseconds");
    change(request, profile,
           OtlpRequest::AddSample(profile, request.Stack({request.Location({"main"})}), {1}));
    return request;
  };
  using Profile = OtlpRequest::Profile;
  using Sample = OtlpRequest::Sample;
  // Before 1.7.
  EXPECT_THAT(
      error(make([](OtlpRequest& request, Profile&, Sample&) { request.message.clear_dictionary(); })),
      HasSubstr("no dictionary"));
  // 1.7: stacks were ranges of indices.
  EXPECT_THAT(error(make([&](OtlpRequest&, Profile&, Sample& sample) {
                sample.Clear();
                fields_of(sample).AddVarint(2, 3);
              })),
              HasSubstr("a sample has no stack"));
  EXPECT_THAT(
      error(make([&](OtlpRequest&, Profile& profile, Sample&) { fields_of(profile).AddVarint(5, 9); })),
      HasSubstr("field 5 of a profile"));
  // 1.8: the profile's id had another number, sample types had a temporality.
  EXPECT_THAT(error(make([&](OtlpRequest&, Profile& profile, Sample&) {
                fields_of(profile).AddLengthDelimited(8, std::string(16, 'i'));
              })),
              HasSubstr("field 8 of a profile"));
  EXPECT_THAT(error(make([&](OtlpRequest&, Profile& profile, Sample&) {
                fields_of(*profile.mutable_sample_type()).AddVarint(3, 1);
              })),
              HasSubstr("aggregation temporality"));
  // None at all.
  EXPECT_THAT(error(make([&](OtlpRequest&, Profile&, Sample& sample) { fields_of(sample).AddVarint(4, 1); })),
              HasSubstr("some samples are of one"));
}

}  // namespace
}  // namespace pilotlight
