#include "base/gzip.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

std::string Text() {
  std::string text;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&text, "stack ", i * 7919 % 1000, ";");
  return text;
}

TEST(GzipTest, GunzipUndoesGzip) {
  EXPECT_EQ(Gunzip(Gzip(Text()), 1 << 20).value(), Text());
  EXPECT_EQ(Gunzip(Gzip(""), 1 << 20).value(), "");
}

TEST(GzipTest, EqualInputGivesEqualBytes) { EXPECT_EQ(Gzip(Text()), Gzip(Text())); }

TEST(GzipTest, MembersThatFollowOneAnotherAreJoined) {
  EXPECT_EQ(Gunzip(absl::StrCat(Gzip("one "), Gzip("two")), 100).value(), "one two");
}

TEST(GzipTest, TheLimitIsExact) {
  EXPECT_TRUE(Gunzip(Gzip(std::string(1000, 'x')), 1000).ok());
  EXPECT_EQ(Gunzip(Gzip(std::string(1001, 'x')), 1000).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(GzipTest, ABombIsRefusedWithoutBeingUnpacked) {
  const std::string bomb = Gzip(std::string(8'000'000, '\0'));
  EXPECT_EQ(Gunzip(bomb, 1 << 20).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(GzipTest, EveryTruncationIsAnError) {
  const std::string packed = Gzip("some text, some more text");
  for (size_t size = 0; size < packed.size(); ++size) {
    EXPECT_EQ(Gunzip(absl::string_view(packed).substr(0, size), 1000).status().code(),
              absl::StatusCode::kInvalidArgument)
        << size;
  }
}

TEST(GzipTest, DamageIsAnError) {
  std::string packed = Gzip("some text, some more text");
  packed[packed.size() - 6] ^= 1;  // the checksum
  EXPECT_EQ(Gunzip(packed, 1000).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Gunzip(Gzip("x") + "trailer", 1000).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace pilotlight
