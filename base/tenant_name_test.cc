#include "base/tenant_name.h"

#include <gtest/gtest.h>

#include <string>

namespace pilotlight {
namespace {

TEST(TenantNameTest, TakesWhatCanBeADirectory) {
  for (const char* name : {"anonymous", "team-a", "A.b_c*d'(e)!", "...", ".a", "1"}) {
    EXPECT_TRUE(CheckTenantName(name).ok()) << name;
  }
  EXPECT_TRUE(CheckTenantName(std::string(150, 'a')).ok());
}

TEST(TenantNameTest, RefusesWhatLeadsElsewhere) {
  for (const char* name : {"", ".", "..", "a/b", "../a", "a|b", "a b", "a\\b", "\xc3\xa4", "a,b", "a\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckTenantName(name))) << name;
  }
  EXPECT_FALSE(CheckTenantName(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(CheckTenantName(std::string(151, 'a')).ok());
}

}  // namespace
}  // namespace pilotlight
