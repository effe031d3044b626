#include "agent/python/python_objects.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "agent/python/python_layout.h"

namespace pilotlight::agent {
namespace {

TEST(PythonLinesTest, AreThoseThatPythonTells) {
  // Of CPython 3.11, for a function at line 1 with a comprehension, calls over several lines and gaps; with
  // what co_lines() says.
  const std::string table = absl::HexStringToBytes(
      "8000f002010915f000010915d81213f003010915f100010915f4000109158041e00708f00003050ae50c0f900189468c46f003"
      "02090af50a000b15d00414");
  const PythonLines lines = PythonLines::Parse(table, 1);
  const struct {
    uint32_t end;  // in bytes
    uint32_t line;
  } kTold[] = {{2, 1}, {6, 2}, {8, 3}, {26, 2}, {30, 4}, {58, 6}, {60, 5}, {74, 10}};
  uint32_t at = 0;
  for (const auto& told : kTold) {
    for (; at < told.end; at += 2) EXPECT_EQ(lines.LineOf(at / 2), told.line) << at;
  }
  EXPECT_EQ(lines.LineOf(at / 2), 0u);
}

TEST(PythonLinesTest, EndWhereTheTableIsBroken) {
  const PythonLines lines = PythonLines::Parse(std::string("\xd8\x01\x01\xd8", 4), 7);
  EXPECT_EQ(lines.LineOf(0), 8u);
  EXPECT_EQ(lines.LineOf(1), 0u);
  EXPECT_EQ(PythonLines::Parse("", 1).LineOf(0), 0u);
}

TEST(PythonTextTest, IsUtf8) {
  EXPECT_EQ(DecodePythonText("caf\xe9", 1), "café");
  EXPECT_EQ(DecodePythonText(std::string("\x31\x04\x00\xd8", 4), 2), "б\uFFFD");
  EXPECT_EQ(DecodePythonText(std::string("\x25\xf4\x01\x00\x00\x00\x11\x00", 8), 4), "\U0001F425\uFFFD");
}

TEST(PythonFunctionNameTest, HasTheModuleOfALibraryAndTheFileOfAnyOther) {
  EXPECT_EQ(PythonFunctionName("/usr/lib/python3.11/json/__init__.py", "loads"), "json.loads");
  EXPECT_EQ(PythonFunctionName("/usr/lib/python3.13t/json/decoder.py", "JSONDecoder.decode"),
            "json.decoder.JSONDecoder.decode");
  EXPECT_EQ(PythonFunctionName("/venv/lib/python3.12/site-packages/flask/app.py", "Flask.wsgi_app"),
            "flask.app.Flask.wsgi_app");
  EXPECT_EQ(PythonFunctionName("/srv/shop/main.py", "handler"), "main.py:handler");
  EXPECT_EQ(PythonFunctionName("<frozen importlib._bootstrap>", "_find_and_load"),
            "importlib._bootstrap._find_and_load");
  EXPECT_EQ(PythonFunctionName("<string>", "<module>"), "<string>:<module>");
}

TEST(PythonLayoutTest, SaysWhatItDoesNotKnow) {
  EXPECT_TRUE(FindPythonLayout(11, "").ok());
  EXPECT_TRUE(FindPythonLayout(12, "").ok());
  EXPECT_EQ(FindPythonLayout(10, "").status().message(), "python 3.10 not supported");
  EXPECT_EQ(FindPythonLayout(14, "").status().message(), "python 3.14 not supported");
  EXPECT_TRUE(
      absl::IsUnavailable(FindPythonLayout(13, std::string(kPythonDebugOffsetsBytes, '\0')).status()));
  std::string start(kPythonDebugOffsetsBytes, '\0');
  start.replace(0, 16, std::string("xdebugpy\xf0\x00\x0d\x03\0\0\0\0", 16));
  EXPECT_EQ(FindPythonLayout(13, start).status().message(), "python 3.13 of another layout not supported");
  start[16] = 1;
  EXPECT_EQ(FindPythonLayout(13, start).status().message(), "free-threaded python not supported");
}

}  // namespace
}  // namespace pilotlight::agent
