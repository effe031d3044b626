#include "profile/frame_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::Pair;

auto After(const FrameFilterText& text) {
  Profile profile =
      MakeProfile({{"main;serve;encode;write", 1}, {"main;serve", 2}, {"main;encode;log;encode;copy", 4}});
  FrameFilter::Create(text)->Apply(profile.trie, {&profile.samples});
  EXPECT_EQ(Totals(profile.samples).count, 7u) << "no sample is lost";
  return FoldedCounts(profile.trie, profile.samples);
}

TEST(FrameFilterTest, ShowKeepsOnlyTheFramesThatMatch) {
  EXPECT_THAT(After({.show = "main|encode"}),
              ElementsAre(Pair("main", 2), Pair("main;encode", 1), Pair("main;encode;encode", 4)));
}

TEST(FrameFilterTest, HideTakesFramesOutOfTheMiddleOfStacks) {
  EXPECT_THAT(After({.hide = "^(serve|encode)$"}),
              ElementsAre(Pair("main", 2), Pair("main;log;copy", 4), Pair("main;write", 1)));
}

TEST(FrameFilterTest, PruneFromTakesWhatTheInnermostMatchCalls) {
  EXPECT_THAT(
      After({.prune_from = "encode"}),
      ElementsAre(Pair("main;encode;log;encode", 4), Pair("main;serve", 2), Pair("main;serve;encode", 1)));
}

TEST(FrameFilterTest, AllOfThemTogether) {
  EXPECT_THAT(After({.show = "e", .hide = "serve", .prune_from = "encode"}),
              ElementsAre(Pair("", 2), Pair("encode", 1), Pair("encode;encode", 4)));
}

TEST(FrameFilterTest, ASampleWithoutAFrameLeftIsTheRoots) {
  EXPECT_THAT(After({.show = "nothing"}), ElementsAre(Pair("", 7)));
}

TEST(FrameFilterTest, WithoutAnExpressionAllStays) {
  Profile profile = MakeProfile({{"main;serve", 1}});
  const uint64_t id = profile.trie.id();
  FrameFilter::Create({})->Apply(profile.trie, {&profile.samples});
  EXPECT_EQ(profile.trie.id(), id);
}

TEST(FrameFilterTest, WhatNobodySamplesGoes) {
  Profile profile = MakeProfile({{"main;serve", 1}, {"main;idle", 2}});
  profile.samples.pop_back();
  FrameFilter::Create({.hide = "main"})->Apply(profile.trie, {&profile.samples});
  EXPECT_EQ(profile.trie.node_count(), 2u);
}

TEST(FrameFilterTest, NamesABadExpression) {
  for (const FrameFilterText& text :
       {FrameFilterText{.show = "a("}, FrameFilterText{.hide = "a("}, FrameFilterText{.prune_from = "a("}}) {
    const absl::Status status = FrameFilter::Create(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(status.message(), testing::HasSubstr("a("));
  }
}

}  // namespace
}  // namespace pilotlight
