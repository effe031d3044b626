#include "exporters/dot.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "exporters/format.h"
#include "exporters/utf8.h"
#include "profile/top.h"

namespace pilotlight {
namespace {

// In double quotes, where a backslash starts an escape.
std::string Quote(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}), "\"");
}

// Of callers and callees by their number in the table.
using Calls = std::map<std::pair<size_t, size_t>, int64_t>;

Calls SumCalls(const Profile& profile, const absl::flat_hash_map<absl::string_view, size_t>& numbers) {
  Calls calls;
  const StackTrie& trie = profile.trie;
  for (const Sample& sample : profile.samples) {
    std::set<std::pair<size_t, size_t>> seen;
    for (NodeId node = sample.node; node != StackTrie::kRoot && trie.parent(node) != StackTrie::kRoot;
         node = trie.parent(node)) {
      const auto callee = numbers.find(trie.view(trie.frame_of(node)).function);
      const auto caller = numbers.find(trie.view(trie.frame_of(trie.parent(node))).function);
      if (callee == numbers.end() || caller == numbers.end()) continue;
      if (seen.emplace(caller->second, callee->second).second) {
        calls[{caller->second, callee->second}] += sample.value;
      }
    }
  }
  return calls;
}

}  // namespace

std::string WriteDot(const Profile& profile, size_t max_functions) {
  const TopTable table = BuildTop(profile, TopOrder::kCumulative, max_functions);
  const std::string& unit = profile.type.sample_unit;
  const auto share = [&table](int64_t value) {
    return table.total.value == 0 ? 0 : static_cast<double>(value) / static_cast<double>(table.total.value);
  };
  std::string dot =
      absl::StrCat("digraph ", Quote(profile.type.ToString()),
                   " {\n  node [shape=box style=filled fillcolor=\"#f8f0e8\" fontname=sans];\n");
  absl::flat_hash_map<absl::string_view, size_t> numbers;
  for (const TopRow& row : table.rows) {
    const size_t number = numbers.size();
    numbers.emplace(row.function, number);
    const std::string label = absl::StrCat(
        ToValidUtf8(row.function.empty() ? "[unknown]" : row.function), "\n",
        FormatValue(row.flat.value, unit), " (", FormatPercent(share(row.flat.value)), ")", "\nof ",
        FormatValue(row.cumulative.value, unit), " (", FormatPercent(share(row.cumulative.value)), ")");
    // Large is what costs most by itself.
    absl::StrAppendFormat(&dot, "  n%d [label=%s fontsize=%d];\n", number, Quote(label),
                          8 + static_cast<int>(24 * std::clamp(share(row.flat.value), 0.0, 1.0)));
  }
  for (const auto& [call, value] : SumCalls(profile, numbers)) {
    absl::StrAppendFormat(&dot, "  n%d -> n%d [label=%s penwidth=%.1f];\n", call.first, call.second,
                          Quote(FormatValue(value, unit)), 1 + 4 * std::clamp(share(value), 0.0, 1.0));
  }
  return dot + "}\n";
}

}  // namespace pilotlight
