#include "agent/python/python_objects.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "exporters/utf8.h"

namespace pilotlight::agent {
namespace {

// Numbers of the table: six bits a byte, the lowest first; bit 6 says that there are more.
class TableReader {
 public:
  explicit TableReader(absl::string_view table) : table_(table) {}

  bool at_end() const { return at_ == table_.size(); }
  std::optional<uint8_t> Byte() {
    if (at_end()) return std::nullopt;
    return static_cast<uint8_t>(table_[at_++]);
  }
  std::optional<uint64_t> Number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 36; shift += 6) {
      const std::optional<uint8_t> byte = Byte();
      if (!byte.has_value()) return std::nullopt;
      value |= uint64_t{*byte & 0x3fU} << shift;
      if ((*byte & 0x40) == 0) return value;
    }
    return std::nullopt;
  }
  std::optional<int64_t> SignedNumber() {
    const std::optional<uint64_t> value = Number();
    if (!value.has_value()) return std::nullopt;
    const int64_t magnitude = static_cast<int64_t>(*value >> 1);
    return (*value & 1) != 0 ? -magnitude : magnitude;
  }
  bool Skip(size_t bytes) {
    if (table_.size() - at_ < bytes) return false;
    at_ += bytes;
    return true;
  }

 private:
  const absl::string_view table_;
  size_t at_ = 0;
};

// "json/decoder.py" of "/usr/lib/python3.11/json/decoder.py"; empty for what is no library's.
absl::string_view PathInLibrary(absl::string_view file) {
  for (const absl::string_view packages : {"/site-packages/", "/dist-packages/"}) {
    const size_t at = file.rfind(packages);
    if (at != absl::string_view::npos) return file.substr(at + packages.size());
  }
  constexpr absl::string_view kStandard = "/python3.";
  const size_t at = file.rfind(kStandard);
  if (at == absl::string_view::npos) return {};
  file.remove_prefix(at + kStandard.size());
  const size_t digits = std::min(file.size(), file.find_first_not_of("0123456789t"));
  file.remove_prefix(digits);
  return digits > 0 && absl::ConsumePrefix(&file, "/") ? file : absl::string_view();
}

}  // namespace

PythonLines PythonLines::Parse(absl::string_view table, int64_t first_line) {
  constexpr int kFirstOneLine = 10;
  constexpr int kLastOneLine = 12;
  constexpr int kNoColumns = 13;
  constexpr int kLong = 14;
  constexpr int kNone = 15;
  PythonLines lines;
  TableReader reader(table);
  int64_t line = first_line;
  uint32_t instruction = 0;
  while (!reader.at_end()) {
    const uint8_t first = *reader.Byte();
    if ((first & 0x80) == 0) break;
    const int code = first >> 3 & 0xf;
    std::optional<int64_t> delta = 0;
    bool whole = true;
    if (code < kFirstOneLine) {
      whole = reader.Skip(1);
    } else if (code <= kLastOneLine) {
      delta = code - kFirstOneLine;
      whole = reader.Skip(2);
    } else if (code == kNoColumns) {
      delta = reader.SignedNumber();
    } else if (code == kLong) {
      delta = reader.SignedNumber();
      for (int i = 0; i < 3; ++i) whole = whole && reader.Number().has_value();
    }
    if (!whole || !delta.has_value()) break;
    line += *delta;
    const bool has_line = code != kNone && line > 0 && line <= INT32_MAX;
    const uint32_t shown = has_line ? static_cast<uint32_t>(line) : 0;
    if (lines.starts_.empty() || lines.starts_.back().line != shown) {
      lines.starts_.push_back({instruction, shown});
    }
    instruction += (first & 7) + 1;
  }
  if (!lines.starts_.empty()) lines.starts_.push_back({instruction, 0});
  lines.starts_.shrink_to_fit();
  return lines;
}

uint32_t PythonLines::LineOf(uint32_t instruction) const {
  const auto next = std::ranges::upper_bound(starts_, instruction, {}, &Start::instruction);
  return next == starts_.begin() ? 0 : std::prev(next)->line;
}

PythonString ParsePythonString(absl::string_view head) {
  uint64_t words[5];
  static_assert(sizeof(words) == kPythonStringHeadBytes);
  std::memcpy(words, head.data(), sizeof(words));
  // Include/cpython/unicodeobject.h: interned 2 bits, kind 3, compact 1, ascii 1.
  const uint32_t state = static_cast<uint32_t>(words[4]);
  const int kind = state >> 2 & 7;
  const bool compact = (state >> 5 & 1) != 0;
  PythonString string{.type = words[1], .length = words[2], .ascii = (state >> 6 & 1) != 0};
  if (compact && (kind == 1 || (!string.ascii && (kind == 2 || kind == 4)))) string.bytes_of_character = kind;
  return string;
}

std::string DecodePythonText(absl::string_view bytes, int bytes_of_character) {
  std::string text;
  text.reserve(bytes.size());
  const auto size = static_cast<size_t>(bytes_of_character);
  for (size_t at = 0; at + size <= bytes.size(); at += size) {
    uint32_t c = 0;
    std::memcpy(&c, bytes.data() + at, size);
    const bool is_character = c <= 0x10ffff && (c < 0xd800 || c >= 0xe000);
    AppendUtf8(is_character ? c : kReplacementCharacter, text);
  }
  return text;
}

std::string PythonFunctionName(absl::string_view file, absl::string_view qualified_name) {
  absl::string_view module = file;
  if (absl::ConsumePrefix(&module, "<frozen ") && absl::ConsumeSuffix(&module, ">")) {
    return absl::StrCat(module, ".", qualified_name);
  }
  module = PathInLibrary(file);
  if (module.empty()) {
    const size_t slash = file.rfind('/');
    return absl::StrCat(slash == absl::string_view::npos ? file : file.substr(slash + 1), ":",
                        qualified_name);
  }
  absl::ConsumeSuffix(&module, ".py");
  absl::ConsumeSuffix(&module, "/__init__");
  return absl::StrCat(absl::StrReplaceAll(module, {{"/", "."}}), ".", qualified_name);
}

}  // namespace pilotlight::agent
