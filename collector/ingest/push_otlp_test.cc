#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "collector/ingest/push.h"
#include "tests/support/memory_store.h"
#include "tests/support/otlp_request.h"

namespace pilotlight::collector {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PushOtlpTest : public testing::Test {
 protected:
  PushOtlpTest() { request_.SetAttribute("service.name", "shop"); }

  OtlpRequest::Profile& AddProfile(const std::string& type, absl::Duration age = absl::Minutes(1)) {
    OtlpRequest::Profile& profile = request_.AddProfile(type, "nanoseconds");
    profile.set_time_unix_nano(static_cast<uint64_t>(absl::ToUnixNanos(clock_.Now() - age)));
    OtlpRequest::AddSample(profile, stack_, {5});
    return profile;
  }
  absl::StatusOr<OtlpOutcome> Push() { return ingest_.PushOtlp("anonymous", request_.Current(), ""); }
  double Refused(const std::string& reason) const {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name != "pilotlight_ingest_refused_windows_total") continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        if (metric.label[0].value == reason) return metric.counter.value;
      }
    }
    return -1;
  }

  OtlpRequest request_;
  const int32_t stack_ = request_.Stack({request_.Location({"main"})});
  ManualClock clock_{absl::FromUnixSeconds(1'714'564'800)};
  IngestLimits limits_{.max_message_bytes = 10'000};
  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  prometheus::Registry registry_;
  IngestMetrics metrics_{registry_};
  std::vector<size_t> series_of_stored_;
  IngestContext context_{stores_, limits_, clock_, metrics_,
                         [this](const std::string& /*tenant*/, const Window& window) {
                           series_of_stored_.push_back(window.series.size());
                         }};
  PushIngest ingest_{context_};
};

TEST_F(PushOtlpTest, EachTypeIsASeriesOfTheResource) {
  AddProfile("cpu");
  AddProfile("off_cpu");
  AddProfile("off_cpu");  // of another thread, say
  const absl::StatusOr<OtlpOutcome> outcome = Push();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->rejected_profiles, 0);
  EXPECT_EQ(store_.series_count(), 3);
  // What profile rules are told of.
  EXPECT_THAT(series_of_stored_, testing::ElementsAre(2, 1));
  const TimeSpan span{clock_.Now() - absl::Hours(1), clock_.Now()};
  EXPECT_THAT(*store_.LabelValues("service_name", span, {}, {}), testing::ElementsAre("shop"));
}

TEST_F(PushOtlpTest, WhatIsRefusedLeavesTheOthers) {
  AddProfile("cpu");
  AddProfile("off_cpu", absl::Hours(24 * 30));
  AddProfile("wait").mutable_samples(0)->set_stack_index(99);
  const absl::StatusOr<OtlpOutcome> outcome = Push();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->rejected_profiles, 2);
  EXPECT_FALSE(outcome->message.empty());
  EXPECT_EQ(store_.series_count(), 1);
  EXPECT_EQ(Refused("not_decodable"), 1);
  EXPECT_EQ(Refused("too_old"), 1);
}

TEST_F(PushOtlpTest, WhenAllAreRefusedTheRequestIs) {
  AddProfile("cpu", absl::Hours(24 * 30));
  EXPECT_THAT(Push().status().ToString(),
              AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("more than is kept")));
}

TEST_F(PushOtlpTest, RefusesOtherSchemasAndWhatIsTooLarge) {
  AddProfile("cpu");
  EXPECT_THAT(ingest_.PushOtlp("anonymous", request_.Current(), "2").status().ToString(),
              HasSubstr("taken are"));
  EXPECT_EQ(Refused("not_decodable"), 1);
  EXPECT_THAT(ingest_.PushOtlp("anonymous", std::string(10'001, ' '), "").status().ToString(),
              AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("the limit is 10000")));
  EXPECT_EQ(Refused("not_decodable"), 2);
}

TEST_F(PushOtlpTest, IsToBeSentAgainOnlyWhenNothingWasStored) {
  AddProfile("cpu");
  store_.SetFailure(absl::UnavailableError("the disk is full"));
  EXPECT_TRUE(absl::IsResourceExhausted(Push().status()));
  store_.SetFailure(absl::OkStatus());
  EXPECT_TRUE(Push().ok());
}

}  // namespace
}  // namespace pilotlight::collector
