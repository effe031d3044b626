#include "profile/blockers.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"

namespace pilotlight {
namespace {

constexpr absl::string_view kMcall = "runtime.mcall";
constexpr absl::string_view kGoexit = "runtime.goexit";

// Packages that block on somebody's behalf.
bool BlocksForOthers(absl::string_view function) {
  constexpr std::array<absl::string_view, 5> kPackages = {"runtime", "sync", "time", "syscall", "internal"};
  const absl::string_view package = GoPackage(function);
  return std::any_of(kPackages.begin(), kPackages.end(), [package](absl::string_view prefix) {
    return package == prefix || (absl::StartsWith(package, prefix) && package.size() > prefix.size() &&
                                 package[prefix.size()] == '/');
  });
}

}  // namespace

absl::string_view GoPackage(absl::string_view function) {
  // Type arguments may have slashes and dots of their own.
  const absl::string_view name = function.substr(0, function.find('['));
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == absl::string_view::npos ? 0 : slash);
  return dot == absl::string_view::npos ? absl::string_view() : name.substr(0, dot);
}

BlockerTable BuildBlockers(const Profile& profile, size_t limit) {
  const StackTrie& trie = profile.trie;
  const auto function_of = [&trie](NodeId node) { return trie.view(trie.frame_of(node)).function; };
  BlockerTable table;
  table.total = Totals(profile.samples);
  std::map<std::pair<absl::string_view, absl::string_view>, BlockerRow> rows;
  for (const Sample& sample : profile.samples) {
    NodeId node = sample.node;
    while (node != StackTrie::kRoot && function_of(node) != kMcall) node = trie.parent(node);
    if (node == StackTrie::kRoot) continue;
    table.mcall.count += sample.count;
    table.mcall.value += sample.value;
    NodeId caller = trie.parent(node);
    if (caller == StackTrie::kRoot || trie.frame(trie.frame_of(caller)).kind == FrameKind::kSynthetic)
      continue;
    table.joined.count += sample.count;
    table.joined.value += sample.value;
    NodeId wait = node;
    // The runtime's own goroutines have no other caller than their root.
    while (BlocksForOthers(function_of(caller)) && trie.parent(caller) != StackTrie::kRoot &&
           function_of(trie.parent(caller)) != kGoexit) {
      wait = caller;
      caller = trie.parent(caller);
    }
    BlockerRow& row = rows[{function_of(caller), function_of(wait)}];
    if (row.function.empty()) {
      const FrameView frame = trie.view(trie.frame_of(caller));
      row.function = std::string(frame.function);
      row.file = std::string(frame.file);
      row.wait = std::string(function_of(wait));
    }
    row.mcall += sample;
  }
  for (auto& [key, row] : rows) {
    row.share = WilsonInterval(row.mcall.count, table.mcall.count);
    table.rows.push_back(std::move(row));
  }
  table.all_rows = table.rows.size();
  std::ranges::sort(table.rows, {}, [](const BlockerRow& row) {
    return std::make_tuple(-row.mcall.value, absl::string_view(row.function), absl::string_view(row.wait));
  });
  if (limit > 0 && table.rows.size() > limit) table.rows.resize(limit);
  return table;
}

}  // namespace pilotlight
