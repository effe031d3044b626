#include "profile/top.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_map.h"

namespace pilotlight {

TopTable BuildTop(const Profile& profile, TopOrder order, size_t limit) {
  const StackTrie& trie = profile.trie;
  TopTable table;
  table.total = Totals(profile.samples);

  absl::flat_hash_map<StringId, size_t> row_of;
  // The index of the last sample that was added to the row's cumulative value, so recursion counts once.
  std::vector<size_t> last_sample;
  for (size_t i = 0; i < profile.samples.size(); ++i) {
    const Sample& sample = profile.samples[i];
    for (NodeId node = sample.node; node != StackTrie::kRoot; node = trie.parent(node)) {
      const Frame& frame = trie.frame(trie.frame_of(node));
      const auto [entry, is_new] = row_of.try_emplace(frame.function, table.rows.size());
      if (is_new) {
        TopRow& row = table.rows.emplace_back();
        row.function = std::string(trie.string(frame.function));
        row.file = std::string(trie.string(frame.file));
        row.kind = frame.kind;
        last_sample.push_back(SIZE_MAX);
      }
      TopRow& row = table.rows[entry->second];
      if (node == sample.node) {
        row.flat += sample;
      }
      if (last_sample[entry->second] == i) continue;
      last_sample[entry->second] = i;
      row.cumulative += sample;
    }
  }

  table.all_rows = table.rows.size();
  const auto rank = [order](const TopRow& row) {
    const int64_t first = order == TopOrder::kFlat ? row.flat.value : row.cumulative.value;
    const int64_t second = order == TopOrder::kFlat ? row.cumulative.value : row.flat.value;
    return std::make_tuple(-first, -second, absl::string_view(row.function));
  };
  std::ranges::sort(table.rows, {}, rank);
  if (limit > 0 && table.rows.size() > limit) table.rows.resize(limit);
  for (TopRow& row : table.rows) {
    row.flat_share = WilsonInterval(row.flat.count, table.total.count);
    row.cumulative_share = WilsonInterval(row.cumulative.count, table.total.count);
  }
  return table;
}

}  // namespace pilotlight
