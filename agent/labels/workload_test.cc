#include "agent/labels/workload.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

Workload Of(const std::string& name, Labels labels) {
  return WorkloadOf({.name = name, .labels = std::move(labels)});
}

TEST(WorkloadTest, KnowsADeployment) {
  EXPECT_EQ(Of("shop-web-7f9c6d5b8-x2x7k", {{"pod-template-hash", "7f9c6d5b8"}, {"app", "other"}}),
            (Workload{"Deployment", "shop-web"}));
}

TEST(WorkloadTest, DoesNotGuessWhereADeploymentsHashIsCutOff) {
  EXPECT_EQ(Of("a-very-long-name-of-a-deployment-that-goes-on-and-on-7f9cx2x7k",
               {{"pod-template-hash", "7f9c6d5b8"}}),
            Workload());
  EXPECT_EQ(Of("bare", {{"pod-template-hash", "7f9c6d5b8"}}), Workload());
}

TEST(WorkloadTest, KnowsAStatefulSet) {
  EXPECT_EQ(Of("postgres-main-10",
               {{"apps.kubernetes.io/pod-index", "10"}, {"controller-revision-hash", "postgres-main-5b"}}),
            (Workload{"StatefulSet", "postgres-main"}));
  EXPECT_EQ(
      Of("db-0", {{"statefulset.kubernetes.io/pod-name", "db-0"}, {"controller-revision-hash", "db-5b"}}),
      (Workload{"StatefulSet", "db"}));
  EXPECT_EQ(Of("db", {{"statefulset.kubernetes.io/pod-name", "db"}}), Workload());
}

TEST(WorkloadTest, KnowsADaemonSet) {
  EXPECT_EQ(
      Of("node-exporter-x2x7k", {{"controller-revision-hash", "5b6f"}, {"pod-template-generation", "3"}}),
      (Workload{"DaemonSet", "node-exporter"}));
  EXPECT_EQ(Of("odd", {{"controller-revision-hash", "5b6f"}}), Workload());
}

TEST(WorkloadTest, KnowsAJob) {
  EXPECT_EQ(Of("migrate-12-x2x7k", {{"batch.kubernetes.io/job-name", "migrate-12"}, {"job-name", "old"}}),
            (Workload{"Job", "migrate-12"}));
  EXPECT_EQ(Of("migrate-x2x7k", {{"job-name", "migrate"}}), (Workload{"Job", "migrate"}));
}

TEST(WorkloadTest, TakesTheRunsOfACronJobTogether) {
  EXPECT_EQ(Of("backup-29384710-x2x7k", {{"job-name", "backup-29384710"}}), (Workload{"CronJob", "backup"}));
}

TEST(WorkloadTest, KnowsNothingOfABarePod) {
  EXPECT_EQ(Of("debug-12345", {{"app", "debug"}}), Workload());
  EXPECT_EQ(Of("", {}), Workload());
}

}  // namespace
}  // namespace pilotlight::agent
