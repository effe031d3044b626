#include "exporters/utf8.h"

#include <algorithm>
#include <cstdint>

namespace pilotlight {
namespace {

struct Lead {
  int length = 0;  // bytes of the sequence, 0 for none
  uint8_t second_low = 0x80;
  uint8_t second_high = 0xBF;
};

// The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
Lead ClassifyLead(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  if (byte >= 0xF1 && byte <= 0xF3) return {4};
  return {};
}

struct Range {
  char32_t first;
  char32_t last;
};

constexpr Range kZeroWidth[] = {
    {0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x610, 0x61A},   {0x64B, 0x65F},
    {0x900, 0x902},   {0x93C, 0x93C},   {0x941, 0x948},   {0xE31, 0xE31},   {0xE34, 0xE3A},
    {0xE47, 0xE4E},   {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E},
    {0x2060, 0x2064}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
};
constexpr Range kWide[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
    {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};

template <size_t n>
bool Contains(const Range (&ranges)[n], char32_t code_point) {
  return std::any_of(std::begin(ranges), std::end(ranges), [code_point](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

bool IsPrintableAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace

char32_t TakeCodePoint(absl::string_view& text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) {
    text.remove_prefix(1);
    return first;
  }
  const Lead lead = ClassifyLead(first);
  if (lead.length == 0) {
    text.remove_prefix(1);
    return kReplacementCharacter;
  }
  char32_t code_point = first & (0xFF >> (lead.length + 1));
  for (int i = 1; i < lead.length; ++i) {
    const uint8_t low = i == 1 ? lead.second_low : 0x80;
    const uint8_t high = i == 1 ? lead.second_high : 0xBF;
    const auto at = static_cast<size_t>(i);
    if (at >= text.size() || static_cast<uint8_t>(text[at]) < low || static_cast<uint8_t>(text[at]) > high) {
      text.remove_prefix(at);
      return kReplacementCharacter;
    }
    code_point = (code_point << 6) | (static_cast<uint8_t>(text[at]) & 0x3F);
  }
  text.remove_prefix(static_cast<size_t>(lead.length));
  return code_point;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code_point >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  }
}

std::string ToValidUtf8(absl::string_view text) {
  if (IsPrintableAscii(text)) return std::string(text);
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) AppendUtf8(TakeCodePoint(text), valid);
  return valid;
}

absl::string_view Utf8Prefix(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  // A code point has at most three continuation bytes; more of them are ill-formed and may be cut anywhere.
  for (int i = 0; i < 3 && end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

std::string ToValidUtf8(absl::string_view text, size_t max_bytes) {
  std::string valid = ToValidUtf8(text);
  valid.resize(Utf8Prefix(valid, max_bytes).size());
  return valid;
}

int ColumnWidth(char32_t code_point) {
  if (code_point < 0x300) return 1;
  if (Contains(kZeroWidth, code_point)) return 0;
  return Contains(kWide, code_point) ? 2 : 1;
}

std::string FitToColumns(absl::string_view text, int columns) {
  if (IsPrintableAscii(text) && text.size() <= static_cast<size_t>(std::max(columns, 0))) {
    return std::string(text);
  }
  if (columns < 2) return "";
  std::string fitted;
  int used = 0;
  size_t cut_at = 0;  // where `fitted` leaves one column for the ellipsis
  while (!text.empty()) {
    const char32_t code_point = TakeCodePoint(text);
    used += ColumnWidth(code_point);
    if (used > columns) return fitted.substr(0, cut_at) + "…";
    AppendUtf8(code_point, fitted);
    if (used <= columns - 1) cut_at = fitted.size();
  }
  return fitted;
}

std::string ToDisplayText(absl::string_view text) {
  if (IsPrintableAscii(text)) return std::string(text);
  std::string display;
  display.reserve(text.size());
  while (!text.empty()) {
    char32_t code_point = TakeCodePoint(text);
    if (code_point < 0x20) {
      code_point += 0x2400;
    } else if (code_point == 0x7F) {
      code_point = 0x2421;
    } else if (code_point == 0x2028 || code_point == 0x2029) {
      code_point = 0x2424;  // line and paragraph separators: "symbol for newline"
    } else if ((code_point >= 0x80 && code_point < 0xA0) || (code_point & 0xFFFE) == 0xFFFE) {
      code_point = kReplacementCharacter;  // more controls, and noncharacters, which XML 1.0 forbids
    }
    AppendUtf8(code_point, display);
  }
  return display;
}

}  // namespace pilotlight
