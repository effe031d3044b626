#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "exporters/label_name.h"
#include "exporters/pprof.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pprof/profile.pb.h"

namespace pilotlight {
namespace {

namespace pb = perftools::profiles;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// A profile of samples/count with one stack.
class Builder {
 public:
  Builder() {
    message_.add_string_table("");
    pb::ValueType& column = *message_.add_sample_type();
    column.set_type(String("samples"));
    column.set_unit(String("count"));
    pb::Function& f = *message_.add_function();
    f.set_id(1);
    f.set_name(String("f"));
    pb::Location& location = *message_.add_location();
    location.set_id(1);
    location.add_line()->set_function_id(1);
  }
  void Add(int64_t value, const std::vector<std::pair<std::string, std::string>>& labels) {
    pb::Sample& sample = *message_.add_sample();
    sample.add_location_id(1);
    sample.add_value(value);
    for (const auto& [name, text] : labels) {
      pb::Label& label = *sample.add_label();
      label.set_key(String(name));
      label.set_str(String(text));
    }
  }
  pb::Profile& message() { return message_; }
  absl::StatusOr<std::vector<LabelledProfile>> Read(const PprofLimits& limits = {}) const {
    return ReadLabelledPprof(message_.SerializeAsString(), limits);
  }
  // Samples by labels, of the only profile.
  std::map<Labels, uint64_t> Counts(const PprofLimits& limits = {}) const {
    std::map<Labels, uint64_t> counts;
    const std::vector<LabelledProfile> profiles = Read(limits).value();
    EXPECT_EQ(profiles.size(), 1u);
    for (const LabelledSamples& part : profiles[0].parts) {
      EXPECT_TRUE(counts.emplace(part.labels, Totals(part.samples).count).second);
    }
    return counts;
  }

 private:
  int64_t String(const std::string& text) {
    message_.add_string_table(text);
    return message_.string_table_size() - 1;
  }

  pb::Profile message_;
};

TEST(PprofLabelsTest, SamplesArePartsByTheirLabels) {
  Builder profile;
  profile.Add(1, {{"handler", "/cart"}, {"method", "GET"}});
  profile.Add(2, {{"method", "GET"}, {"handler", "/cart"}});
  profile.Add(4, {{"handler", "/"}});
  profile.Add(8, {});
  EXPECT_THAT(profile.Counts(),
              UnorderedElementsAre(Pair(Labels{}, 8), Pair(Labels{{"handler", "/"}}, 4),
                                   Pair(Labels{{"handler", "/cart"}, {"method", "GET"}}, 3)));
  // Otherwise they are one.
  const std::vector<Profile> whole = ReadPprof(profile.message().SerializeAsString()).value();
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(Totals(whole[0].samples).count, 15u);
}

TEST(PprofLabelsTest, NumbersAndWhatNamesOneRequestMakeNoSeries) {
  Builder profile;
  profile.Add(1,
              {{"span_id", "4bf92f3577b34da6"}, {"profile_id", "4bf92f3577b34da6"}, {"span_name", "GET /"}});
  pb::Label& bytes = *profile.message().mutable_sample(0)->add_label();
  bytes.set_key(1);
  bytes.set_num(64);
  EXPECT_THAT(profile.Counts(), ElementsAre(Pair(Labels{{"span_name", "GET /"}}, 1)));
}

TEST(PprofLabelsTest, NamesBecomeThoseOfLabels) {
  EXPECT_EQ(ToLabelName("http.route"), "http_route");
  EXPECT_EQ(ToLabelName("2nd"), "_2nd");
  EXPECT_EQ(ToLabelName("__name__"), "_name__");
  EXPECT_EQ(ToLabelName("caf\xC3\xA9"), "caf__");
  EXPECT_EQ(ToLabelName("___"), "_");
  EXPECT_EQ(ToLabelName(""), "");
}

TEST(PprofLabelsTest, TooManyAreOfOneOverflowingSeries) {
  Builder profile;
  for (int i = 0; i < 10; ++i) profile.Add(1, {{"user", absl::StrCat(i)}});
  PprofLimits limits;
  limits.max_label_sets = 2;
  EXPECT_THAT(profile.Counts(limits),
              UnorderedElementsAre(Pair(Labels{{"user", "0"}}, 1), Pair(Labels{{"user", "1"}}, 1),
                                   Pair(Labels{{"overflow", "true"}}, 8)));

  Builder wide;
  wide.Add(1, {{"a", "1"}, {"b", "2"}, {"c", "3"}});
  limits.max_labels = 2;
  EXPECT_THAT(wide.Counts(limits), ElementsAre(Pair(Labels{{"overflow", "true"}}, 1)));
}

TEST(PprofLabelsTest, WhatIsLeftOutDoesNotCountAgainstTheLimit) {
  Builder builder;
  for (int span = 0; span < 5; ++span) builder.Add(1, {{"span_id", absl::StrCat(span)}, {"route", "/cart"}});
  PprofLimits limits;
  limits.max_label_sets = 2;
  EXPECT_THAT(builder.Counts(limits), ElementsAre(Pair(Labels{{"route", "/cart"}}, 5)));
}

TEST(PprofLabelsTest, LongOnesAreCut) {
  Builder profile;
  profile.Add(1, {{"query", "SELECT 1"}});
  PprofLimits limits;
  limits.max_label_name_bytes = 3;
  limits.max_label_value_bytes = 6;
  EXPECT_THAT(profile.Counts(limits), ElementsAre(Pair(Labels{{"que", "SELECT"}}, 1)));

  // With the character that a label needs in front of a digit.
  Builder digits;
  digits.Add(1, {{"123", "a"}});
  EXPECT_THAT(digits.Counts(limits), ElementsAre(Pair(Labels{{"_12", "a"}}, 1)));
}

TEST(PprofLabelsTest, AStringThatIsNotThereIsRefused) {
  Builder profile;
  profile.Add(1, {{"handler", "/"}});
  for (const int64_t number : {int64_t{99}, int64_t{-1}}) {
    profile.message().mutable_sample(0)->mutable_label(0)->set_str(number);
    EXPECT_THAT(std::string(profile.Read().status().message()), HasSubstr("a label"));
  }
}

}  // namespace
}  // namespace pilotlight
