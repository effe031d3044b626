#include "agent/fold/share_out.h"

#include <gmock/gmock.h>

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ShareOutTest, DividesByWeight) { EXPECT_THAT(ShareOut(10, {3, 2, 5}), ElementsAre(3, 2, 5)); }

TEST(ShareOutTest, GivesTheRestToTheLargestRemainders) {
  // Exact shares: 3.33, 1.67, 5.
  EXPECT_THAT(ShareOut(10, {2, 1, 3}), ElementsAre(3, 2, 5));
}

TEST(ShareOutTest, LosesNothingWhenThereIsLessThanOneEach) {
  EXPECT_THAT(ShareOut(2, {1, 1, 1}), ElementsAre(1, 1, 0));
}

TEST(ShareOutTest, SurvivesNumbersWhoseProductOverflows) {
  EXPECT_THAT(ShareOut(UINT64_MAX, {UINT64_MAX, UINT64_MAX}),
              ElementsAre(UINT64_MAX / 2 + 1, UINT64_MAX / 2));
}

TEST(ShareOutTest, HasNobodyToGiveToWithoutWeights) {
  EXPECT_THAT(ShareOut(10, {}), IsEmpty());
  EXPECT_THAT(ShareOut(10, {0, 0}), ElementsAre(0, 0));
}

}  // namespace
}  // namespace pilotlight::agent
