#include "profile/diff.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "profile/flame_graph.h"
#include "profile/prune.h"
#include "profile/statistics.h"

namespace pilotlight {
namespace {

double Share(int64_t value, int64_t total) {
  return total == 0 ? 0 : static_cast<double>(value) / static_cast<double>(total);
}

absl::Status CheckSameType(const Profile& base, const Profile& comparison) {
  // One without samples may have no type of its own.
  if (base.type == comparison.type || base.samples.empty() || comparison.samples.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("profiles of different types cannot be compared: ",
                                                 base.type.ToString(), " and ", comparison.type.ToString()));
}

DiffTotals TotalsOf(const Profile& base, const Profile& comparison) {
  return {Totals(base.samples), Totals(comparison.samples)};
}

// Sets the p-values. What has no sample on either side is no question, so it is not among those corrected
// for.
void Test(const std::vector<Difference*>& differences, const DiffTotals& totals) {
  std::vector<Difference*> tested;
  std::vector<double> p_values;
  for (Difference* const difference : differences) {
    if (difference->base.count + difference->comparison.count == 0) continue;
    tested.push_back(difference);
    p_values.push_back(TwoProportionPValue(difference->base.count, totals.base.count,
                                           difference->comparison.count, totals.comparison.count));
  }
  p_values = AdjustForFalseDiscovery(p_values);
  for (size_t i = 0; i < tested.size(); ++i) tested[i]->p_value = p_values[i];
}

}  // namespace

double ShareChange(const Difference& difference, const DiffTotals& totals) {
  return Share(difference.comparison.value, totals.comparison.value) -
         Share(difference.base.value, totals.base.value);
}

bool CountsSamples(const ProfileType& type) {
  return type.sample_type == "samples" || type.sample_unit == "events" || type == OffCpuType() ||
         (type.sample_type == "cpu" && type.sample_unit == "nanoseconds");
}

absl::StatusOr<DiffTable> BuildDiff(const Profile& base, const Profile& comparison, TopOrder order,
                                    size_t limit) {
  RETURN_IF_ERROR(CheckSameType(base, comparison));
  DiffTable table;
  table.total = TotalsOf(base, comparison);
  absl::flat_hash_map<std::string, size_t> row_of;
  const auto add = [&](const Profile& profile, Sample Difference::*side) {
    for (TopRow& row : BuildTop(profile, order, /*limit=*/0).rows) {
      const auto [entry, is_new] = row_of.try_emplace(row.function, table.rows.size());
      if (is_new) {
        DiffRow& added = table.rows.emplace_back();
        added.function = std::move(row.function);
        added.file = std::move(row.file);
        added.kind = row.kind;
      }
      table.rows[entry->second].flat.*side = row.flat;
      table.rows[entry->second].cumulative.*side = row.cumulative;
    }
  };
  add(base, &Difference::base);
  add(comparison, &Difference::comparison);
  table.all_rows = table.rows.size();

  if (CountsSamples(base.type)) {
    std::vector<Difference*> flat;
    std::vector<Difference*> cumulative;
    for (DiffRow& row : table.rows) {
      flat.push_back(&row.flat);
      cumulative.push_back(&row.cumulative);
    }
    Test(flat, table.total);
    Test(cumulative, table.total);
    for (const DiffRow& row : table.rows) {
      if (row.flat.significant()) ++table.significant_flat;
      if (row.cumulative.significant()) ++table.significant_cumulative;
    }
  }

  // In whole billionths, so that rounding does not decide between equal ones.
  const auto size_of = [&table](const Difference& difference) {
    return std::llround(std::abs(ShareChange(difference, table.total)) * 1e9);
  };
  std::ranges::sort(table.rows, {}, [&](const DiffRow& row) {
    const int64_t flat = size_of(row.flat);
    const int64_t cumulative = size_of(row.cumulative);
    return order == TopOrder::kFlat ? std::make_tuple(-flat, -cumulative, absl::string_view(row.function))
                                    : std::make_tuple(-cumulative, -flat, absl::string_view(row.function));
  });
  if (limit > 0 && table.rows.size() > limit) table.rows.resize(limit);
  return table;
}

absl::StatusOr<DiffGraph> BuildDiffGraph(const Profile& base, const Profile& comparison, size_t max_nodes) {
  RETURN_IF_ERROR(CheckSameType(base, comparison));
  const DiffTotals totals = TotalsOf(base, comparison);
  DiffGraph graph;
  graph.names.emplace_back("total");
  graph.nodes.emplace_back();
  absl::flat_hash_map<std::string, uint32_t> names;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> children;
  const auto add = [&](const Profile& profile, Sample Difference::*side) {
    const FlameGraph one = BuildFlameGraph(profile);
    std::vector<uint32_t> merged(one.nodes.size());
    for (size_t i = 0; i < one.nodes.size(); ++i) {
      const FlameGraph::Node& node = one.nodes[i];
      if (i > 0) {
        const auto [name, name_is_new] =
            names.try_emplace(one.names[node.name], static_cast<uint32_t>(graph.names.size()));
        if (name_is_new) graph.names.push_back(one.names[node.name]);
        const uint32_t parent = merged[node.parent];
        const auto [child, child_is_new] =
            children.try_emplace({parent, name->second}, static_cast<uint32_t>(graph.nodes.size()));
        if (child_is_new) {
          graph.nodes.push_back(
              {.parent = parent, .name = name->second, .kind = node.kind, .self = {}, .total = {}});
        }
        merged[i] = child->second;
      }
      graph.nodes[merged[i]].self.*side = node.self;
      graph.nodes[merged[i]].total.*side = node.total;
    }
  };
  add(base, &Difference::base);
  add(comparison, &Difference::comparison);

  if (max_nodes > 0 && graph.nodes.size() - 1 > max_nodes) {
    graph = PruneGraph(graph, max_nodes, [&totals](const DiffGraph::Node& node) {
      return Share(node.total.base.value, totals.base.value) +
             Share(node.total.comparison.value, totals.comparison.value);
    });
  }
  if (CountsSamples(base.type)) {
    std::vector<Difference*> nodes;
    for (size_t i = 1; i < graph.nodes.size(); ++i) nodes.push_back(&graph.nodes[i].total);
    Test(nodes, totals);
  }
  return graph;
}

}  // namespace pilotlight
