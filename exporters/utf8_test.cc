#include "exporters/utf8.h"

#include "gtest/gtest.h"

namespace pilotlight {
namespace {

TEST(Utf8Test, WellFormedTextStaysAsItIs) {
  const std::string text = "main.größe 函数 🔥 \U0010FFFF";
  EXPECT_EQ(ToValidUtf8(text), text);
}

TEST(Utf8Test, EachMaximalIllFormedPartBecomesOneReplacement) {
  // The example of The Unicode Standard, table 3-8.
  EXPECT_EQ(ToValidUtf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"), "a���b�c��d");
  EXPECT_EQ(ToValidUtf8("\xC0\xAF"), "��");            // overlong
  EXPECT_EQ(ToValidUtf8("\xED\xA0\x80"), "���");       // a surrogate
  EXPECT_EQ(ToValidUtf8("\xF4\x90\x80\x80"), "����");  // beyond U+10FFFF
}

TEST(Utf8Test, APrefixNeverCutsACodePoint) {
  EXPECT_EQ(Utf8Prefix("aé函", 6), "aé函");
  EXPECT_EQ(Utf8Prefix("aé函", 5), "aé");
  EXPECT_EQ(Utf8Prefix("aé函", 2), "a");
  EXPECT_EQ(Utf8Prefix("é", 1), "");
}

TEST(Utf8Test, FittedTextEndsWithAnEllipsisAtACodePoint) {
  EXPECT_EQ(FitToColumns("abcdef", 6), "abcdef");
  EXPECT_EQ(FitToColumns("abcdef", 5), "abcd…");
  EXPECT_EQ(FitToColumns("函数函数", 8), "函数函数");
  EXPECT_EQ(FitToColumns("函数函数", 6), "函数…");
  EXPECT_EQ(FitToColumns("abcdef", 1), "");
}

TEST(Utf8Test, ControlCharactersBecomeVisible) { EXPECT_EQ(ToDisplayText("a\nb\x7F\t\xFF"), "a␊b␡␉�"); }

}  // namespace
}  // namespace pilotlight
