#include "agent/pull/profile_deltas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

Profile Counted(const std::map<std::string, uint64_t>& stacks) {
  Profile profile;
  profile.samples = AddSamples(profile.trie, stacks, /*period=*/10);
  return profile;
}

std::map<std::string, std::pair<uint64_t, int64_t>> Content(const Profile& profile) {
  std::map<std::string, std::pair<uint64_t, int64_t>> content;
  for (const Sample& sample : profile.samples) {
    content[std::string(profile.trie.view(profile.trie.frame_of(sample.node)).function)] = {sample.count,
                                                                                            sample.value};
  }
  return content;
}

TEST(ProfileDeltasTest, TellsWhatWasAddedSinceTheLastLook) {
  ProfileDeltas deltas;
  EXPECT_FALSE(deltas.Since("a", Counted({{"main;f", 5}, {"main;g", 1}})).has_value());
  const auto grown = deltas.Since("a", Counted({{"main;f", 7}, {"main;g", 1}, {"main;h", 3}}));
  ASSERT_TRUE(grown.has_value());
  EXPECT_THAT(Content(*grown), UnorderedElementsAre(Pair("f", Pair(2, 20)), Pair("h", Pair(3, 30))));
  EXPECT_THAT(Content(*deltas.Since("a", Counted({{"main;f", 7}, {"main;g", 1}, {"main;h", 3}}))), IsEmpty());
}

TEST(ProfileDeltasTest, KeepsOwnersAndTypesApart) {
  ProfileDeltas deltas;
  EXPECT_FALSE(deltas.Since("a", Counted({{"main;f", 5}})).has_value());
  EXPECT_FALSE(deltas.Since("b", Counted({{"main;f", 9}})).has_value());
  EXPECT_THAT(Content(*deltas.Since("a", Counted({{"main;f", 6}}))),
              UnorderedElementsAre(Pair("f", Pair(1, 10))));
  Profile other = Counted({{"main;f", 6}});
  other.type.name = "other";
  EXPECT_FALSE(deltas.Since("a", std::move(other)).has_value());
}

TEST(ProfileDeltasTest, WhatShrinksCountsNothing) {
  ProfileDeltas deltas;
  deltas.Since("a", Counted({{"main;f", 5}}));
  EXPECT_THAT(Content(*deltas.Since("a", Counted({{"main;f", 2}}))), IsEmpty());
  EXPECT_THAT(Content(*deltas.Since("a", Counted({{"main;f", 4}}))),
              UnorderedElementsAre(Pair("f", Pair(2, 20))));
}

TEST(ProfileDeltasTest, ForgetsTheOthers) {
  ProfileDeltas deltas;
  deltas.Since("a", Counted({{"main;f", 5}}));
  deltas.Since("b", Counted({{"main;f", 5}}));
  deltas.Retain({"a"});
  EXPECT_EQ(deltas.stacks(), 1u);
  EXPECT_TRUE(deltas.Since("a", Counted({{"main;f", 6}})).has_value());
  EXPECT_FALSE(deltas.Since("b", Counted({{"main;f", 6}})).has_value());
}

TEST(ProfileDeltasTest, ItsMemoryIsBounded) {
  ProfileDeltas deltas(/*max_stacks=*/3);
  deltas.Since("a", Counted({{"main;f", 5}, {"main;g", 1}}));
  EXPECT_FALSE(deltas.Since("b", Counted({{"main;f", 5}, {"main;g", 1}})).has_value());
  EXPECT_FALSE(deltas.Since("b", Counted({{"main;f", 5}, {"main;g", 2}})).has_value());
  EXPECT_EQ(deltas.stacks(), 2u);
  EXPECT_TRUE(deltas.Since("a", Counted({{"main;f", 5}})).has_value());
}

}  // namespace
}  // namespace pilotlight::agent
