#include "exporters/folded.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "exporters/frame_name.h"
#include "exporters/utf8.h"

namespace pilotlight {
namespace {

constexpr absl::string_view kUnknown = "[unknown]";
// Of one profile, so that adding up its samples never overflows.
constexpr uint64_t kMaxTotal = uint64_t{1} << 52;

bool NeedsEscape(absl::string_view name, size_t at) {
  const auto c = static_cast<unsigned char>(name[at]);
  if (c == '\\') return at + 1 < name.size() && name[at + 1] == 'u';
  return c == ';' || c < 0x20 || c == 0x7F;
}

std::string Escape(absl::string_view name) {
  if (name.empty()) return std::string(kUnknown);
  std::string escaped;
  for (size_t i = 0; i < name.size(); ++i) {
    if (NeedsEscape(name, i)) {
      absl::StrAppendFormat(&escaped, "\\u%04x", static_cast<unsigned char>(name[i]));
    } else {
      escaped.push_back(name[i]);
    }
  }
  return escaped;
}

// The character of a \uXXXX at the front of `text`, or -1.
int EscapedCharacter(absl::string_view text) {
  if (text.size() < 6 || !absl::StartsWith(text, "\\u")) return -1;
  int character = 0;
  for (const char c : text.substr(2, 4)) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return -1;
    const int digit = absl::ascii_isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 0x20) - 'a' + 10;
    character = character * 16 + digit;
  }
  return character;
}

std::string Unescape(absl::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (const int character = EscapedCharacter(text); character >= 0) {
      AppendUtf8(static_cast<char32_t>(character), name);
      text.remove_prefix(6);
    } else {
      name.push_back(text[0]);
      text.remove_prefix(1);
    }
  }
  return name;
}

// A decimal number, rounded: other tools write fractions.
bool ParseNumber(absl::string_view text, uint64_t& number) {
  if (absl::SimpleAtoi(text, &number)) return true;
  const bool is_decimal = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.';
  });
  double value = 0;
  if (!is_decimal || !absl::SimpleAtod(text, &value) || value > static_cast<double>(kMaxTotal)) return false;
  number = static_cast<uint64_t>(std::llround(value));
  return true;
}

class FoldedReader {
 public:
  explicit FoldedReader(const FoldedLimits& limits) : limits_(limits) {
    profile_.type = {.name = "samples",
                     .sample_type = "samples",
                     .sample_unit = "count",
                     .period_type = "",
                     .period_unit = ""};
  }

  absl::StatusOr<Profile> Read(absl::string_view text) {
    for (size_t line_number = 1; !text.empty(); ++line_number) {
      const size_t end = std::min(text.find('\n'), text.size());
      const absl::string_view line = absl::StripSuffix(text.substr(0, end), "\r");
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.empty()) continue;
      if (const absl::Status status = Add(line); !status.ok()) {
        return absl::Status(status.code(), absl::StrCat("line ", line_number, ": ", status.message()));
      }
    }
    MergeSamples(profile_.samples);
    return std::move(profile_);
  }

 private:
  absl::Status Add(absl::string_view line) {
    const size_t space = line.rfind(' ');
    if (space == absl::string_view::npos) {
      return absl::InvalidArgumentError("no folded stack: it must read \"frame;frame;frame count\"");
    }
    const absl::string_view digits = line.substr(space + 1);
    uint64_t count = 0;
    if (digits.empty() || !ParseNumber(digits, count)) {
      return absl::InvalidArgumentError(
          absl::StrCat("no folded stack: it must end with a count, not \"", Utf8Prefix(digits, 40), "\""));
    }
    if (count == 0) return absl::OkStatus();
    total_ += std::min(count, kMaxTotal);
    if (total_ >= kMaxTotal) return absl::OutOfRangeError("the counts add up to more than can be counted");
    return AddStack(line.substr(0, space), count);
  }

  absl::Status AddStack(absl::string_view stack, uint64_t count) {
    frames_.clear();
    for (absl::string_view rest = stack;;) {
      const size_t end = std::min(rest.find(';'), rest.size());
      frames_.push_back(FrameFor(rest.substr(0, end)));
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
    StackTrie& trie = profile_.trie;
    NodeId node = StackTrie::kRoot;
    size_t first = 0;
    if (frames_.size() > limits_.max_depth) {
      first = frames_.size() - limits_.max_depth;
      profile_.loss.truncated_stacks += count;
      node = trie.Child(node, FrameFor("[truncated]"));
    }
    for (size_t i = first; i < frames_.size(); ++i) {
      node = trie.Child(node, frames_[i]);
      if (!trie.frame(frames_[i]).symbolized) profile_.loss.unsymbolized_frames += count;
    }
    if (trie.node_count() > limits_.max_nodes) {
      return absl::OutOfRangeError(absl::StrCat("more than ", limits_.max_nodes, " different stacks"));
    }
    profile_.loss.frames += count * (frames_.size() - first);
    profile_.samples.push_back({.node = node, .count = count, .value = static_cast<int64_t>(count)});
    return absl::OkStatus();
  }

  FrameId FrameFor(absl::string_view escaped) {
    const std::string valid = ToValidUtf8(Unescape(escaped), limits_.max_name_bytes);
    const absl::string_view name = valid.empty() ? kUnknown : valid;
    return profile_.trie.InternFrame(
        FrameView{.function = name,
                  .kind = IsSyntheticName(name) ? FrameKind::kSynthetic : FrameKind::kUnknown,
                  .symbolized = !IsAddressName(name) && name != kUnknown});
  }

  const FoldedLimits& limits_;
  Profile profile_;
  uint64_t total_ = 0;
  std::vector<FrameId> frames_;  // of the stack at hand
};

}  // namespace

std::string WriteFolded(const Profile& profile, FoldedNumber number) {
  const StackTrie& trie = profile.trie;
  const bool of_cpu = profile.type.sample_type == "cpu";
  const bool count = number == FoldedNumber::kCount || (number == FoldedNumber::kDefault && of_cpu);
  std::vector<std::string> names(trie.string_count());  // escaped, by string; empty until it is used
  std::vector<std::pair<std::string, int64_t>> lines;
  for (const Sample& sample : profile.samples) {
    const int64_t total = count ? static_cast<int64_t>(sample.count) : sample.value;
    if (total <= 0) continue;
    std::string stack(sample.node == StackTrie::kRoot ? kUnknown : "");
    for (const FrameId frame : trie.Stack(sample.node)) {
      const StringId function = trie.frame(frame).function;
      if (names[function].empty()) names[function] = Escape(trie.string(function));
      absl::StrAppend(&stack, stack.empty() ? "" : ";", names[function]);
    }
    lines.emplace_back(std::move(stack), total);
  }
  std::sort(lines.begin(), lines.end());

  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    // Stacks that differ in lines or files only look the same here.
    if (i + 1 < lines.size() && lines[i].first == lines[i + 1].first) {
      lines[i + 1].second += lines[i].second;
      continue;
    }
    absl::StrAppend(&text, lines[i].first, " ", lines[i].second, "\n");
  }
  return text;
}

absl::StatusOr<Profile> ReadFolded(absl::string_view text, const FoldedLimits& limits) {
  return FoldedReader(limits).Read(text);
}

}  // namespace pilotlight
