#include "profile/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;

// Values from R: prop.test(x, n, correct = FALSE)$conf.int.
TEST(WilsonIntervalTest, AgreesWithR) {
  const Interval fifth = WilsonInterval(20, 100);
  EXPECT_NEAR(fifth.lower, 0.1333669, 1e-6);
  EXPECT_NEAR(fifth.upper, 0.2888292, 1e-6);
  const Interval none = WilsonInterval(0, 10);
  EXPECT_NEAR(none.lower, 0, 1e-12);
  EXPECT_NEAR(none.upper, 0.2775328, 1e-6);
  EXPECT_EQ(WilsonInterval(0, 0).upper, 1);
}

// Values from SciPy: chi2_contingency([[x1, n1 - x1], [x2, n2 - x2]], correction=False).
TEST(TwoProportionPValueTest, AgreesWithScipysChiSquaredTestWhereCountsAreLarge) {
  EXPECT_NEAR(TwoProportionPValue(20, 100, 40, 120), 0.027030076547772557, 1e-12);
  EXPECT_NEAR(TwoProportionPValue(40, 120, 20, 100), 0.027030076547772557, 1e-12);
  EXPECT_NEAR(TwoProportionPValue(500, 10'000, 600, 10'000), 0.0019246872509622542, 1e-12);
  EXPECT_NEAR(TwoProportionPValue(6, 200, 30, 400), 0.02867143270672915, 1e-12);
  EXPECT_EQ(TwoProportionPValue(30, 1000, 30, 1000), 1);
}

// Values from SciPy: twice the smaller of hypergeom.sf(x1 - 1, …) and hypergeom.cdf(x1, …).
TEST(TwoProportionPValueTest, AgreesWithTheHypergeometricDistributionWhereTheyAreSmall) {
  EXPECT_NEAR(TwoProportionPValue(0, 1000, 9, 1000), 0.0038362715884915784, 1e-11);
  EXPECT_NEAR(TwoProportionPValue(9, 1000, 0, 1000), 0.0038362715884915784, 1e-11);
  EXPECT_NEAR(TwoProportionPValue(3, 10, 0, 12), 0.1558441558441558, 1e-11);
  // The normal distribution would be sure of this one: z = 100.
  EXPECT_NEAR(TwoProportionPValue(1, 100, 0, 1'000'000), 0.00019998000197576143, 1e-9);
  EXPECT_LT(TwoProportionPValue(50, 100, 0, 1'000'000), 1e-200);
}

TEST(TwoProportionPValueTest, SaysNothingWhereNothingCanBeSaid) {
  EXPECT_EQ(TwoProportionPValue(0, 0, 10, 100), 1);
  EXPECT_EQ(TwoProportionPValue(10, 100, 0, 0), 1);
  EXPECT_EQ(TwoProportionPValue(0, 100, 0, 100), 1);
  EXPECT_EQ(TwoProportionPValue(100, 100, 200, 200), 1);
}

// Values from SciPy: false_discovery_control(); R's p.adjust(method = "BH") gives the same.
TEST(AdjustForFalseDiscoveryTest, AgreesWithScipy) {
  EXPECT_THAT(AdjustForFalseDiscovery({0.01, 0.04, 0.03, 0.005, 0.5}),
              ElementsAre(DoubleNear(0.025, 1e-15), DoubleNear(0.05, 1e-15), DoubleNear(0.05, 1e-15),
                          DoubleNear(0.025, 1e-15), 0.5));
  EXPECT_THAT(AdjustForFalseDiscovery({}), IsEmpty());
}

}  // namespace
}  // namespace pilotlight
