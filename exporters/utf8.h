// Names come from foreign binaries: here any bytes become text that every reader accepts.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace pilotlight {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// Takes one code point off the front of `text`; kReplacementCharacter for each maximal ill-formed part
// (The Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts"). REQUIRES: !text.empty().
char32_t TakeCodePoint(absl::string_view& text);
void AppendUtf8(char32_t code_point, std::string& out);

// `text` itself when it is well-formed UTF-8, else with the ill-formed parts replaced.
std::string ToValidUtf8(absl::string_view text);

// At most the first `max_bytes` bytes, less so that no code point is cut.
absl::string_view Utf8Prefix(absl::string_view text, size_t max_bytes);
// Both: the replacements count, which are longer than what they stand for.
std::string ToValidUtf8(absl::string_view text, size_t max_bytes);

// Columns of a code point in a monospaced font: 0 for combining marks, 2 for East Asian wide ones, else 1.
// By ranges, so not exact for every character.
int ColumnWidth(char32_t code_point);
// `text` in at most `columns` columns, with "…" for what was cut off. Empty when not even that fits.
std::string FitToColumns(absl::string_view text, int columns);

// Well-formed, and with a visible character for each control character: U+2400 + c (Unicode's Control
// Pictures), so that it stays on one line.
std::string ToDisplayText(absl::string_view text);

}  // namespace pilotlight
