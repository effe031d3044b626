#include "collector/api/query_messages.h"

#include "profile/wire.h"

namespace pilotlight::collector {
namespace {

void ToProto(const AnswerQuality& quality, v1::Quality& message) {
  message.set_windows(quality.coverage.windows);
  message.set_watched_ns(absl::ToInt64Nanoseconds(quality.coverage.watched));
  message.set_samples(quality.totals.count);
  message.set_value(quality.totals.value);
  message.set_estimated_value(quality.coverage.estimated_value);
  message.set_first_start_unix_ns(absl::ToUnixNanos(quality.coverage.first_start));
  message.set_last_end_unix_ns(absl::ToUnixNanos(quality.coverage.last_end));
  pilotlight::ToProto(quality.loss, *message.mutable_loss());
}

void ToProto(const Interval& interval, v1::Interval& message) {
  message.set_lower(interval.lower);
  message.set_upper(interval.upper);
}

std::optional<absl::Time> TimeOrDefault(int64_t unix_ns) {
  if (unix_ns == 0) return std::nullopt;
  return absl::FromUnixNanos(unix_ns);
}

}  // namespace

SelectionText FromSpan(int64_t start_unix_ns, int64_t end_unix_ns) {
  SelectionText text;
  text.start = TimeOrDefault(start_unix_ns);
  text.end = TimeOrDefault(end_unix_ns);
  return text;
}

SelectionText FromProto(const v1::Selection& message) {
  SelectionText text = FromSpan(message.start_unix_ns(), message.end_unix_ns());
  text.selector = message.selector();
  text.profile_type = message.profile_type();
  text.focus = message.focus();
  text.ignore = message.ignore();
  text.frames = {.show = message.show(), .hide = message.hide(), .prune_from = message.prune_from()};
  return text;
}

void ToProto(const FlameGraphAnswer& answer, v1::FlameGraphResponse& message) {
  message.mutable_names()->Reserve(static_cast<int>(answer.graph.names.size()));
  for (const std::string& name : answer.graph.names) message.add_names(name);
  const int count = static_cast<int>(answer.graph.nodes.size());
  message.mutable_parent()->Reserve(count);
  message.mutable_name()->Reserve(count);
  message.mutable_kind()->Reserve(count);
  message.mutable_self_count()->Reserve(count);
  message.mutable_self_value()->Reserve(count);
  message.mutable_total_count()->Reserve(count);
  message.mutable_total_value()->Reserve(count);
  for (const FlameGraph::Node& node : answer.graph.nodes) {
    message.add_parent(node.parent);
    message.add_name(node.name);
    message.add_kind(static_cast<uint32_t>(node.kind));
    message.add_self_count(node.self.count);
    message.add_self_value(node.self.value);
    message.add_total_count(node.total.count);
    message.add_total_value(node.total.value);
  }
  ToProto(answer.quality, *message.mutable_quality());
  pilotlight::ToProto(answer.type, *message.mutable_type());
}

void ToProto(const TopAnswer& answer, v1::TopResponse& message) {
  for (const TopRow& row : answer.table.rows) {
    v1::TopResponse::Row& row_message = *message.add_rows();
    row_message.set_function(row.function);
    row_message.set_file(row.file);
    row_message.set_flat_count(row.flat.count);
    row_message.set_flat_value(row.flat.value);
    row_message.set_cumulative_count(row.cumulative.count);
    row_message.set_cumulative_value(row.cumulative.value);
    ToProto(row.flat_share, *row_message.mutable_flat_share());
    ToProto(row.cumulative_share, *row_message.mutable_cumulative_share());
  }
  message.set_functions(answer.table.all_rows);
  ToProto(answer.quality, *message.mutable_quality());
  pilotlight::ToProto(answer.type, *message.mutable_type());
}

void ToProto(const DiffAnswer& answer, v1::DiffResponse& message) {
  v1::DiffResponse::Table& table = *message.mutable_table();
  for (const DiffRow& row : answer.table.rows) {
    table.add_function(row.function);
    table.add_file(row.file);
    table.add_base_flat_count(row.flat.base.count);
    table.add_base_flat_value(row.flat.base.value);
    table.add_base_cumulative_count(row.cumulative.base.count);
    table.add_base_cumulative_value(row.cumulative.base.value);
    table.add_comparison_flat_count(row.flat.comparison.count);
    table.add_comparison_flat_value(row.flat.comparison.value);
    table.add_comparison_cumulative_count(row.cumulative.comparison.count);
    table.add_comparison_cumulative_value(row.cumulative.comparison.value);
    table.add_flat_p_value(row.flat.p_value);
    table.add_cumulative_p_value(row.cumulative.p_value);
  }
  table.set_functions(answer.table.all_rows);
  table.set_significant_flat(answer.table.significant_flat);
  table.set_significant_cumulative(answer.table.significant_cumulative);
  v1::DiffResponse::Graph& graph = *message.mutable_graph();
  for (const std::string& name : answer.graph.names) graph.add_names(name);
  for (const DiffGraph::Node& node : answer.graph.nodes) {
    graph.add_parent(node.parent);
    graph.add_name(node.name);
    graph.add_kind(static_cast<uint32_t>(node.kind));
    graph.add_base_self_count(node.self.base.count);
    graph.add_base_self_value(node.self.base.value);
    graph.add_base_total_count(node.total.base.count);
    graph.add_base_total_value(node.total.base.value);
    graph.add_comparison_self_count(node.self.comparison.count);
    graph.add_comparison_self_value(node.self.comparison.value);
    graph.add_comparison_total_count(node.total.comparison.count);
    graph.add_comparison_total_value(node.total.comparison.value);
    graph.add_total_p_value(node.total.p_value);
  }
  ToProto(answer.base_quality, *message.mutable_base_quality());
  ToProto(answer.comparison_quality, *message.mutable_comparison_quality());
  pilotlight::ToProto(answer.type, *message.mutable_type());
}

void ToProto(const PeekAnswer& answer, v1::PeekResponse& message) {
  const auto add = [](const std::vector<PeekNeighbour>& neighbours, auto& to) {
    for (const PeekNeighbour& neighbour : neighbours) {
      v1::PeekResponse::Neighbour& added = *to.Add();
      added.set_function(neighbour.function);
      added.set_count(neighbour.with.count);
      added.set_value(neighbour.with.value);
    }
  };
  for (const PeekFunction& function : answer.table.functions) {
    v1::PeekResponse::Function& added = *message.add_functions();
    added.set_function(function.function);
    added.set_file(function.file);
    added.set_flat_count(function.flat.count);
    added.set_flat_value(function.flat.value);
    added.set_cumulative_count(function.cumulative.count);
    added.set_cumulative_value(function.cumulative.value);
    add(function.callers, *added.mutable_callers());
    add(function.callees, *added.mutable_callees());
  }
  message.set_matches(answer.table.all_functions);
  ToProto(answer.quality, *message.mutable_quality());
  pilotlight::ToProto(answer.type, *message.mutable_type());
}

void ToProto(const SeriesAnswer& answer, v1::SeriesResponse& message) {
  for (const TimeSeries& series : answer.series) {
    v1::SeriesResponse::OneSeries& series_message = *message.add_series();
    for (const auto& [name, value] : series.labels) {
      v1::Label& label = *series_message.add_labels();
      label.set_name(name);
      label.set_value(value);
    }
    const int count = static_cast<int>(series.points.size());
    series_message.mutable_step()->Reserve(count);
    series_message.mutable_samples()->Reserve(count);
    series_message.mutable_value()->Reserve(count);
    series_message.mutable_estimated_value()->Reserve(count);
    for (const SeriesPoint& point : series.points) {
      series_message.add_step(static_cast<uint32_t>(point.step));  // below kMaxSteps
      series_message.add_samples(point.count);
      series_message.add_value(point.value);
      series_message.add_estimated_value(point.estimated_value);
    }
  }
  message.set_start_unix_ns(absl::ToUnixNanos(answer.span.start));
  message.set_step_ns(absl::ToInt64Nanoseconds(answer.step));
  pilotlight::ToProto(answer.type, *message.mutable_type());
}

}  // namespace pilotlight::collector
