#include "objfile/demangle.h"

#include <gtest/gtest.h>

#include <string>

#include "objfile/source_frame.h"

namespace pilotlight {
namespace {

TEST(DemangleTest, ReadsCppWithParametersAndWithoutReturnType) {
  EXPECT_EQ(Demangle("_ZN4shop6BasketIiE3AddERKi"), "shop::Basket<int>::Add(int const&)");
  EXPECT_EQ(Demangle("_Z3maxIiET_S0_S0_"), "max<int>(int, int)");
  EXPECT_EQ(Demangle("_ZN4shop5TotalEv.cold"), "shop::Total() [clone .cold]");
}

TEST(DemangleTest, ReadsBothManglingsOfRust) {
  EXPECT_EQ(Demangle("_ZN4core3ptr13drop_in_place17h05af221e174051e9E"), "core::ptr::drop_in_place");
  EXPECT_EQ(
      Demangle("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE"),
      "<alloc::string::String as core::fmt::Debug>::fmt");
  EXPECT_EQ(Demangle("_RNvNtCs123_4shop6basket5total"), "shop::basket::total");
}

TEST(DemangleTest, LeavesOtherNamesAlone) {
  for (const char* name : {"", "_", "main", "_Zbroken", "_R", "runtime.mcall", "_ZN"}) {
    EXPECT_EQ(Demangle(name), name);
  }
}

TEST(DemangleTest, CutsOffTheVersion) {
  EXPECT_EQ(Demangle("memcpy@@GLIBC_2.14"), "memcpy");
  EXPECT_EQ(Demangle("_ZN4shop5TotalEv@SHOP_1"), "shop::Total()");
  EXPECT_EQ(Demangle("@odd"), "@odd");
}

// std::pair<int, int>, then pairs of the one before, forty times: 2^40 names when written out.
TEST(DemangleTest, GivesUpOnANameThatExplodes) {
  const std::string digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string name = "_Z1fSt4pairIiiE";
  for (size_t i = 0; i < 40; ++i) {
    const std::string number = i < 36 ? std::string(1, digits[i]) : "1" + std::string(1, digits[i - 36]);
    name += "S_IS" + number + "_S" + number + "_E";
  }
  EXPECT_EQ(Demangle(name), name);
}

TEST(DemangleTest, BoundsTheLength) {
  EXPECT_EQ(Demangle(std::string(100000, 'a')).size(), kMaxSymbolBytes);
  EXPECT_EQ(Demangle("_Z" + std::string(100000, 'N')).size(), kMaxSymbolBytes);
}

TEST(CleanNameTest, KeepsValidUnicode) {
  for (const char* name : {"main.größe", "日本.語", "a😀b", "F[go.shape.struct { Count int64; Next *int }]"}) {
    EXPECT_EQ(CleanName(name), name);
  }
}

TEST(CleanNameTest, ReplacesWhatIsNoTextByQuestionMarks) {
  EXPECT_EQ(CleanName("a\xff"
                      "b"),
            "a?b");
  EXPECT_EQ(CleanName("cut \xe2\x82"), "cut ??");
  EXPECT_EQ(CleanName("surrogate \xed\xa0\x80"), "surrogate ???");
  EXPECT_EQ(CleanName("overlong \xc0\xaf"), "overlong ??");
  EXPECT_EQ(CleanName("\x1b[31mred\n"), "?[31mred?");
}

TEST(CleanNameTest, CutsLongNamesBetweenCharacters) {
  std::string name;
  while (name.size() < 2 * kMaxSymbolBytes) name += "é";
  const std::string cut = CleanName(name);
  EXPECT_LE(cut.size(), kMaxSymbolBytes);
  EXPECT_EQ(cut.substr(cut.size() - 3), "…");
  EXPECT_EQ(CleanName(cut), cut);
}

}  // namespace
}  // namespace pilotlight
