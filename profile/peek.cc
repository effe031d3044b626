#include "profile/peek.h"

#include <re2/re2.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "profile/stack_filter.h"
#include "profile/top.h"

namespace pilotlight {
namespace {

// Caller and callee.
using Call = std::pair<StringId, StringId>;

absl::flat_hash_map<Call, Sample> AddUpCalls(const Profile& profile, const std::vector<bool>& is_wanted) {
  const StackTrie& trie = profile.trie;
  const auto function_of = [&trie](NodeId node) { return trie.frame(trie.frame_of(node)).function; };
  absl::flat_hash_map<Call, Sample> calls;
  std::vector<Call> in_stack;
  for (const Sample& sample : profile.samples) {
    in_stack.clear();
    for (NodeId node = sample.node; node != StackTrie::kRoot; node = trie.parent(node)) {
      if (trie.parent(node) == StackTrie::kRoot) break;
      const Call call = {function_of(trie.parent(node)), function_of(node)};
      if (call.first == call.second || !(is_wanted[call.first] || is_wanted[call.second])) continue;
      if (std::ranges::find(in_stack, call) != in_stack.end()) continue;
      in_stack.push_back(call);
      calls[call] += sample;
    }
  }
  return calls;
}

void Sort(std::vector<PeekNeighbour>& neighbours) {
  std::ranges::sort(neighbours, {}, [](const PeekNeighbour& neighbour) {
    return std::make_tuple(-neighbour.with.value, absl::string_view(neighbour.function));
  });
}

}  // namespace

absl::StatusOr<PeekTable> BuildPeek(const Profile& profile, absl::string_view function, size_t limit) {
  if (function.empty()) return absl::InvalidArgumentError("which function? Give an expression for its name");
  ASSIGN_OR_RETURN(const std::unique_ptr<re2::RE2> expression, CompileExpression("function", function));
  PeekTable table;
  const StackTrie& trie = profile.trie;
  std::vector<bool> is_wanted(trie.string_count());
  absl::flat_hash_map<absl::string_view, size_t> position;
  TopTable top = BuildTop(profile, TopOrder::kCumulative, /*limit=*/0);
  table.total = top.total;
  for (TopRow& row : top.rows) {
    if (!re2::RE2::PartialMatch(row.function, *expression)) continue;
    if (++table.all_functions > limit && limit > 0) continue;
    PeekFunction& added = table.functions.emplace_back();
    added.function = std::move(row.function);
    added.file = std::move(row.file);
    added.flat = row.flat;
    added.cumulative = row.cumulative;
  }
  for (size_t i = 0; i < table.functions.size(); ++i) position[table.functions[i].function] = i;
  for (StringId id = 0; id < trie.string_count(); ++id) is_wanted[id] = position.contains(trie.string(id));

  const auto add = [&](StringId about, StringId neighbour, const Sample& with,
                       std::vector<PeekNeighbour> PeekFunction::*neighbours) {
    if (!is_wanted[about]) return;
    PeekFunction& to = table.functions[position[trie.string(about)]];
    (to.*neighbours).push_back({std::string(trie.string(neighbour)), with});
  };
  for (const auto& [call, with] : AddUpCalls(profile, is_wanted)) {
    add(call.first, call.second, with, &PeekFunction::callees);
    add(call.second, call.first, with, &PeekFunction::callers);
  }
  for (PeekFunction& found : table.functions) {
    Sort(found.callers);
    Sort(found.callees);
  }
  return table;
}

}  // namespace pilotlight
