#include "collector/ingest/otlp_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(OtlpLabelsTest, AreNamedAsAgentsNameThem) {
  EXPECT_THAT(LabelsOfResource({{"service.name", "shop"},
                                {"k8s.namespace.name", "shops"},
                                {"k8s.pod.name", "shop-1"},
                                {"k8s.container.name", "main"},
                                {"k8s.node.name", "n1"},
                                {"host.name", "host"}}),
              ElementsAre(Pair("container", "main"), Pair("namespace", "shops"), Pair("node", "n1"),
                          Pair("pod", "shop-1"), Pair("service_name", "shop")));
}

TEST(OtlpLabelsTest, KeepsOtherAttributesButThoseOfProcessesAndSdks) {
  EXPECT_THAT(LabelsOfResource({{"service.name", "shop"},
                                {"service.version", "1.2"},
                                {"host.name", "host"},
                                {"7th", "x"},
                                {"pod", "from-attribute"},
                                {"k8s.pod.name", "shop-1"},
                                {"process.pid", "42"},
                                {"telemetry.sdk.language", "go"}}),
              ElementsAre(Pair("_7th", "x"), Pair("node", "host"), Pair("pod", "shop-1"),
                          Pair("service_name", "shop"), Pair("service_version", "1.2")));
}

TEST(OtlpLabelsTest, ThereIsAlwaysAService) {
  EXPECT_THAT(LabelsOfResource({{"k8s.container.name", "main"}, {"process.executable.name", "shop"}}),
              ElementsAre(Pair("container", "main"), Pair("service_name", "main")));
  EXPECT_THAT(LabelsOfResource({{"process.executable.name", "shop"}, {"service.name", ""}}),
              ElementsAre(Pair("service_name", "shop")));
  EXPECT_THAT(LabelsOfResource({}), ElementsAre(Pair("service_name", "unknown_service")));
}

}  // namespace
}  // namespace pilotlight::collector
