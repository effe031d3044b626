#include "collector/auth/roles.h"

#include <gtest/gtest.h>

#include <optional>

namespace pilotlight::collector {
namespace {

TEST(RolesTest, HealthIsOpenToEveryone) {
  for (const char* path : {"/-/healthy", "/-/ready", "/grpc.health.v1.Health/Check"}) {
    EXPECT_EQ(RequiredRole(path), std::nullopt) << path;
  }
}

TEST(RolesTest, SendersWrite) {
  for (const char* path : {"/pilotlight.v1.Ingest/Stream", "/push.v1.PusherService/Push", "/ingest",
                           "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
                           "/v1development/profiles", "/v1/profiles"}) {
    EXPECT_EQ(RequiredRole(path), Role::kWrite) << path;
  }
}

TEST(RolesTest, WhoAsksReads) {
  for (const char* path :
       {"/", "/metrics", "/flamegraph.svg", "/debug/pprof/merge", "/speedscope/index.html",
        "/pilotlight.v1.Query/Top", "/pilotlight.v1.Agents/List", "/querier.v1.QuerierService/LabelNames"}) {
    EXPECT_EQ(RequiredRole(path), Role::kRead) << path;
  }
}

TEST(RolesTest, TheRestIsForAdministrators) {
  for (const char* path : {"/-/reload", "/-/snapshot", "/-/next", "/pilotlight.v1.Agents/Capture",
                           "/pilotlight.v1.Agents/Inspect", "/pilotlight.v2.New/Method"}) {
    EXPECT_EQ(RequiredRole(path), Role::kAdmin) << path;
  }
}

TEST(RolesTest, WhatIsOfAllTenantsIsToldApart) {
  for (const char* path : {"/metrics", "/-/reload", "/-/snapshot", "/-/next", "/pilotlight.v2.New/Method"}) {
    EXPECT_TRUE(IsOfAllTenants(path)) << path;
  }
  for (const char* path : {"/", "/flamegraph.svg", "/pilotlight.v1.Query/Top", "/pilotlight.v1.Agents/List",
                           "/pilotlight.v1.Agents/Capture", "/ingest", "/pilotlight.v1.Ingest/Stream"}) {
    EXPECT_FALSE(IsOfAllTenants(path)) << path;
  }
}

TEST(RolesTest, OnlyAdministratorsDoWhatOthersDo) {
  EXPECT_TRUE(Allows(Role::kAdmin, Role::kWrite));
  EXPECT_TRUE(Allows(Role::kAdmin, Role::kRead));
  EXPECT_TRUE(Allows(Role::kRead, Role::kRead));
  EXPECT_FALSE(Allows(Role::kRead, Role::kWrite));
  EXPECT_FALSE(Allows(Role::kWrite, Role::kRead));
  EXPECT_FALSE(Allows(Role::kRead, Role::kAdmin));
}

}  // namespace
}  // namespace pilotlight::collector
