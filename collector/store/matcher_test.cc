#include "collector/store/matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;

const Labels kCheckout = {{"service_name", "checkout"}, {"pod", "checkout-7f9"}, {"namespace", "shop"}};

bool Selects(absl::string_view selector, const Labels& labels) {
  const auto matchers = ParseSelector(selector);
  EXPECT_TRUE(matchers.ok()) << matchers.status();
  return matchers.ok() && AllMatch(*matchers, labels);
}

std::string ValueOf(absl::string_view quoted) {
  const auto matchers = ParseSelector(absl::StrCat("{a=", quoted, "}"));
  EXPECT_TRUE(matchers.ok()) << matchers.status();
  return matchers.ok() && matchers->size() == 1 ? matchers->front().value() : "?";
}

std::string ErrorOf(absl::string_view selector) {
  const auto matchers = ParseSelector(selector);
  EXPECT_TRUE(absl::IsInvalidArgument(matchers.status())) << selector;
  return std::string(matchers.status().message());
}

TEST(MatcherTest, EmptySelectorsMatchEverything) {
  for (const char* selector : {"", "  ", "{}", " { } "}) {
    EXPECT_TRUE(Selects(selector, kCheckout)) << selector;
    EXPECT_TRUE(Selects(selector, {})) << selector;
  }
}

TEST(MatcherTest, AllMatchersMustHold) {
  EXPECT_TRUE(Selects(R"({namespace="shop", pod=~"checkout-.*"})", kCheckout));
  EXPECT_FALSE(Selects(R"({namespace="shop", pod=~"cart-.*"})", kCheckout));
}

TEST(MatcherTest, NegativeMatchersExclude) {
  EXPECT_FALSE(Selects(R"({namespace!="shop"})", kCheckout));
  EXPECT_TRUE(Selects(R"({namespace!="bank"})", kCheckout));
  EXPECT_FALSE(Selects(R"({pod!~"checkout.*"})", kCheckout));
  EXPECT_TRUE(Selects(R"({pod!~"cart.*"})", kCheckout));
}

TEST(MatcherTest, ExpressionsAreAnchoredAtBothEnds) {
  EXPECT_FALSE(Selects(R"({pod=~"checkout"})", kCheckout));
  EXPECT_FALSE(Selects(R"({pod=~"7f9"})", kCheckout));
  EXPECT_TRUE(Selects(R"({pod=~"cart-.*|checkout-.*"})", kCheckout));
  EXPECT_FALSE(Selects(R"({pod=~"checkout|out-7f9"})", kCheckout));
}

TEST(MatcherTest, AnAbsentLabelIsTheEmptyString) {
  EXPECT_TRUE(Selects(R"({zone=""})", kCheckout));
  EXPECT_FALSE(Selects(R"({zone!=""})", kCheckout));
  EXPECT_TRUE(Selects(R"({zone=~".*"})", kCheckout));
  EXPECT_FALSE(Selects(R"({zone=~".+"})", kCheckout));
  EXPECT_TRUE(Selects(R"({zone!~".+"})", kCheckout));
}

TEST(MatcherTest, ServiceIsShortForServiceName) {
  EXPECT_TRUE(Selects(R"({service="checkout"})", kCheckout));
  EXPECT_TRUE(Selects(R"({service_name="checkout"})", kCheckout));
}

TEST(MatcherTest, ThreeKindsOfQuotesMeanTheSame) {
  EXPECT_EQ(ValueOf(R"("x y")"), "x y");
  EXPECT_EQ(ValueOf("'x y'"), "x y");
  EXPECT_EQ(ValueOf("`x y`"), "x y");
}

TEST(MatcherTest, EscapesAreThoseOfGo) {
  EXPECT_EQ(ValueOf(R"("\a\b\f\n\r\t\v\\\"")"), "\a\b\f\n\r\t\v\\\"");
  EXPECT_EQ(ValueOf(R"('it\'s')"), "it's");
  EXPECT_EQ(ValueOf(R"("it's")"), "it's");
  EXPECT_EQ(ValueOf(R"("\x41\102\u00e9\U0001F525")"), "AB\xc3\xa9\xf0\x9f\x94\xa5");
  EXPECT_EQ(ValueOf(R"(`\d+"'`)"), R"(\d+"')");
}

TEST(MatcherTest, BracesAndCommasMayStandInsideQuotes) {
  EXPECT_EQ(ValueOf(R"("a,b}{=\"")"), "a,b}{=\"");
  EXPECT_TRUE(Selects(R"({pod=~"[a-z]{8}-\\w{3}"})", kCheckout));
}

TEST(MatcherTest, TrailingCommaAndQuotedNamesAreAllowed) {
  EXPECT_TRUE(Selects(R"({namespace="shop",})", kCheckout));
  EXPECT_TRUE(Selects(R"({"k8s.io/name"="x"})", {{"k8s.io/name", "x"}}));
}

TEST(MatcherTest, ErrorsSayWhereAndWhatASelectorLooksLike) {
  EXPECT_THAT(ErrorOf("service=\"x\""), HasSubstr("position 1: expected '{'"));
  EXPECT_THAT(ErrorOf("{service}"), HasSubstr("position 9: expected one of = != =~ !~"));
  EXPECT_THAT(ErrorOf("{service=checkout}"), HasSubstr("position 10: expected a quoted value"));
  EXPECT_THAT(ErrorOf("{a=\"x\" b=\"y\"}"), HasSubstr("position 8: expected ',' or '}'"));
  EXPECT_THAT(ErrorOf("{a=\"x\"} or"), HasSubstr("position 9: expected nothing after '}'"));
  EXPECT_THAT(ErrorOf("{a=\"x"), HasSubstr("position 4: the quote is not closed"));
  EXPECT_THAT(ErrorOf("{a=\"x\""), HasSubstr("position 7: expected ',' or '}'"));
  EXPECT_THAT(ErrorOf("{,}"), HasSubstr("position 2: expected a label name"));
  EXPECT_THAT(ErrorOf("{a=\"x\",,}"), HasSubstr("position 8: expected a label name"));
  EXPECT_THAT(ErrorOf("{1a=\"x\"}"), HasSubstr("position 2: expected a label name"));
  EXPECT_THAT(ErrorOf("{a=~\"[\"}"), HasSubstr("position 5: bad expression"));
  EXPECT_THAT(ErrorOf("{\"\"=\"x\"}"), HasSubstr("position 2: a label name cannot be empty"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("a selector looks like {service="));
}

TEST(MatcherTest, BadEscapesAreRefused) {
  for (const char* value : {R"("\q")", R"("\'")", R"("\x4")", R"("\400")", R"("\u12")", R"("\ud800")",
                            R"("\U00110000")", R"("\)", "\"a\nb\""}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("{a=", value, "}")), HasSubstr("position")) << value;
  }
}

TEST(MatcherTest, CopiesShareTheExpression) {
  const auto matcher = Matcher::Create(Matcher::Kind::kMatches, "pod", "c.*");
  ASSERT_TRUE(matcher.ok());
  const Matcher copy = *matcher;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_TRUE(copy.Matches(kCheckout));
  EXPECT_TRUE(copy.MatchesValue("cart"));
}

}  // namespace
}  // namespace pilotlight::collector
