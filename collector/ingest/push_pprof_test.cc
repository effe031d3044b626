#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "collector/ingest/push.h"
#include "pprof/profile.pb.h"
#include "tests/support/memory_store.h"

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;

constexpr char kTenant[] = "anonymous";

// One stack with 1, 2 and 4 samples, of which the last two have a label.
std::string LabelledCpuProfile(const std::string& name) {
  perftools::profiles::Profile message;
  for (const std::string& text : {std::string(), std::string("samples"), std::string("count"),
                                  std::string("f"), name, std::string("a"), std::string("b")}) {
    message.add_string_table(text);
  }
  message.add_sample_type()->set_type(1);
  message.mutable_sample_type(0)->set_unit(2);
  message.add_function()->set_id(1);
  message.mutable_function(0)->set_name(3);
  message.add_location()->set_id(1);
  message.mutable_location(0)->add_line()->set_function_id(1);
  for (const int64_t value : {0, 1, 2}) {
    perftools::profiles::Sample& sample = *message.add_sample();
    sample.add_location_id(1);
    sample.add_value(int64_t{1} << value);
    if (value == 0) continue;
    sample.add_label()->set_key(4);
    sample.mutable_label(0)->set_str(4 + value);
  }
  return message.SerializeAsString();
}

class PushPprofTest : public testing::Test {
 protected:
  std::vector<std::string> Values(const std::string& label) {
    const TimeSpan span{clock_.Now() - absl::Hours(1), clock_.Now() + absl::Hours(1)};
    return *store_.LabelValues(label, span, {}, {});
  }

  ManualClock clock_{absl::FromUnixSeconds(1'714'564'800)};
  IngestLimits limits_;
  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  prometheus::Registry registry_;
  IngestMetrics metrics_{registry_};
  IngestContext context_{stores_, limits_, clock_, metrics_, [](const std::string&, const Window&) {}};
  PushIngest ingest_{context_};
};

TEST_F(PushPprofTest, LabelsOfSamplesMakeSeries) {
  ASSERT_TRUE(ingest_.PushPprof(kTenant, {{"service_name", "shop"}}, LabelledCpuProfile("http.route")).ok());
  EXPECT_EQ(store_.series_count(), 3);
  EXPECT_THAT(Values("http_route"), ElementsAre("a", "b"));
}

TEST_F(PushPprofTest, NamesBecomeThoseOfLabels) {
  ASSERT_TRUE(
      ingest_
          .PushPprof(kTenant,
                     {{"service_name", "shop"}, {"process.runtime.name", "go"}, {"__session_id__", "7"}},
                     LabelledCpuProfile("http.route"))
          .ok());
  EXPECT_THAT(Values("process_runtime_name"), ElementsAre("go"));
  EXPECT_THAT(Values("__session_id__"), ElementsAre());
}

TEST_F(PushPprofTest, LabelsOfSamplesCannotChangeWhoseTheProfileIs) {
  ASSERT_TRUE(
      ingest_.PushPprof(kTenant, {{"service_name", "shop"}}, LabelledCpuProfile("service_name")).ok());
  EXPECT_EQ(store_.series_count(), 1);
  EXPECT_THAT(Values("service_name"), ElementsAre("shop"));
}

}  // namespace
}  // namespace pilotlight::collector
