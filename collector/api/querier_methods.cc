#include "collector/api/querier_methods.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "collector/api/pyroscope_selector.h"
#include "exporters/dot.h"
#include "exporters/flamebearer.h"
#include "exporters/pprof.h"

namespace pilotlight::collector {
namespace {

constexpr int64_t kMostNodes = int64_t{1} << 20;

std::optional<absl::Time> TimeOf(int64_t unix_ms) {
  if (unix_ms == 0) return std::nullopt;
  constexpr int64_t kMostMilliseconds = INT64_MAX / 1'000'000;  // the year 2262, the end of nanoseconds
  return absl::FromUnixMillis(std::clamp<int64_t>(unix_ms, 0, kMostMilliseconds));
}

template <typename Request>
SelectionText SpanOf(const Request& request) {
  SelectionText text;
  text.start = TimeOf(request.start());
  text.end = TimeOf(request.end());
  if (text.end) *text.end += absl::Nanoseconds(1);  // it is inclusive there
  return text;
}

template <typename Request>
absl::StatusOr<SelectionText> SelectionOf(const Request& request) {
  SelectionText text = SpanOf(request);
  text.profile_type = request.profile_typeid();
  ProfileType type;
  if (!text.profile_type.empty()) {
    ASSIGN_OR_RETURN(type, ProfileType::Parse(text.profile_type));
  }
  ASSIGN_OR_RETURN(const PyroscopeSelector selector, ParsePyroscopeSelector(request.label_selector()));
  if (!selector.Takes(type)) {
    return absl::InvalidArgumentError(absl::StrCat("the label_selector ", request.label_selector(),
                                                   " asks for another type than profile_typeID, ",
                                                   type.ToString()));
  }
  text.selector = selector.labels;
  return text;
}

// One expression for all of them; empty for none.
template <typename Strings>
std::string AnyOf(const Strings& names, const Strings& expressions) {
  std::vector<std::string> parts;
  for (const std::string& name : names) parts.push_back(absl::StrCat("^", re2::RE2::QuoteMeta(name), "$"));
  for (const std::string& expression : expressions) parts.push_back(absl::StrCat("(?:", expression, ")"));
  return absl::StrJoin(parts, "|");
}

void SelectStacks(const querier::StackTraceSelector& selector, SelectionText& text) {
  for (const auto& call_site : selector.call_site()) text.call_site.push_back(call_site.name());
  const querier::StackTraceSelector::FrameFilter& filter = selector.frame_filter();
  text.focus = AnyOf(filter.include_function_names(), filter.include_function_name_regexes());
  text.ignore = AnyOf(filter.exclude_function_names(), filter.exclude_function_name_regexes());
}

// Which nothing has.
template <typename Request>
bool AsksForIds(const Request& request) {
  return !request.profile_id_selector().empty() || !request.trace_id_selector().empty();
}

template <typename Request>
size_t MaxNodesOf(const Request& request) {
  if (request.max_nodes() <= 0) return kDefaultMaxNodes;
  return static_cast<size_t>(std::min(request.max_nodes(), kMostNodes));
}

template <typename Graph>
void SetFlameGraph(Flamebearer& encoded, Graph& graph) {
  for (std::string& name : encoded.names) graph.add_names(std::move(name));
  for (const std::vector<int64_t>& level : encoded.levels) {
    graph.add_levels()->mutable_values()->Assign(level.begin(), level.end());
  }
  graph.set_total(encoded.total);
  graph.set_max_self(encoded.max_self);
}

// Leaves `response` alone when there is nothing to show.
template <typename Response>
void AddFlameGraph(const Profile& profile, size_t max_nodes, Response& response) {
  Flamebearer encoded = EncodeFlamebearer(BuildFlameGraph(profile, max_nodes));
  if (encoded.total > 0) SetFlameGraph(encoded, *response.mutable_flamegraph());
}

void ToProto(const Labels& labels, google::protobuf::RepeatedPtrField<querier::LabelPair>& pairs) {
  for (const auto& [name, value] : labels) {
    querier::LabelPair& pair = *pairs.Add();
    pair.set_name(name);
    pair.set_value(value);
  }
}

// Each is a whole selector; what one of them selects counts.
std::vector<std::string> SelectorsOf(const google::protobuf::RepeatedPtrField<std::string>& matchers) {
  if (matchers.empty()) return {"{}"};
  return {matchers.begin(), matchers.end()};
}

bool IsTypeLabel(const std::string& name) {
  static const Labels& labels = *new Labels(TypeLabels(ProfileType()));
  return labels.contains(name);
}

}  // namespace

absl::Status QuerierMethods::ProfileTypes(const querier::ProfileTypesRequest& request, const Caller& caller,
                                          querier::ProfileTypesResponse& response) {
  ASSIGN_OR_RETURN(const std::vector<ProfileType> types, engine_.ProfileTypes(SpanOf(request), caller));
  for (const ProfileType& type : types) {
    querier::ProfileType& message = *response.add_profile_types();
    message.set_id(type.ToString());
    message.set_name(type.name);
    message.set_sample_type(type.sample_type);
    message.set_sample_unit(type.sample_unit);
    message.set_period_type(type.period_type);
    message.set_period_unit(type.period_unit);
  }
  return absl::OkStatus();
}

absl::Status QuerierMethods::LabelNames(const querier::LabelNamesRequest& request, const Caller& caller,
                                        querier::LabelNamesResponse& response) {
  std::set<std::string> names = {std::string(kProfileTypeLabel)};
  for (const std::string& matcher : SelectorsOf(request.matchers())) {
    ASSIGN_OR_RETURN(PyroscopeSelector selector, ParsePyroscopeSelector(matcher));
    SelectionText text = SpanOf(request);
    text.selector = std::move(selector.labels);
    ASSIGN_OR_RETURN(const std::vector<std::string> found, engine_.LabelNames(text, caller));
    names.insert(found.begin(), found.end());
  }
  response.mutable_names()->Assign(names.begin(), names.end());
  return absl::OkStatus();
}

absl::Status QuerierMethods::LabelValues(const querier::LabelValuesRequest& request, const Caller& caller,
                                         querier::LabelValuesResponse& response) {
  std::set<std::string> values;
  for (const std::string& matcher : SelectorsOf(request.matchers())) {
    ASSIGN_OR_RETURN(const PyroscopeSelector selector, ParsePyroscopeSelector(matcher));
    if (selector.type.empty() && !IsTypeLabel(request.name())) {
      SelectionText text = SpanOf(request);
      text.selector = selector.labels;
      ASSIGN_OR_RETURN(const std::vector<std::string> found,
                       engine_.LabelValues(request.name(), text, caller));
      values.insert(found.begin(), found.end());
      continue;
    }
    ASSIGN_OR_RETURN(const LabelSets sets, FindLabelSets(matcher, SpanOf(request), {request.name()}, caller));
    for (const Labels& labels : sets) {
      if (!labels.empty()) values.insert(labels.begin()->second);
    }
  }
  response.mutable_names()->Assign(values.begin(), values.end());
  return absl::OkStatus();
}

absl::Status QuerierMethods::Series(const querier::SeriesRequest& request, const Caller& caller,
                                    querier::SeriesResponse& response) {
  LabelSets all;
  for (const std::string& matcher : SelectorsOf(request.matchers())) {
    ASSIGN_OR_RETURN(LabelSets sets,
                     FindLabelSets(matcher, SpanOf(request),
                                   {request.label_names().begin(), request.label_names().end()}, caller));
    all.merge(sets);
  }
  for (const Labels& labels : all) ToProto(labels, *response.add_labels_set()->mutable_labels());
  return absl::OkStatus();
}

absl::StatusOr<QuerierMethods::LabelSets> QuerierMethods::FindLabelSets(
    const std::string& selector_text, SelectionText text, const std::vector<std::string>& label_names,
    const Caller& caller) {
  ASSIGN_OR_RETURN(const PyroscopeSelector selector, ParsePyroscopeSelector(selector_text));
  ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, engine_.Now()));
  text.start = span.start;
  text.end = span.end;
  text.selector = selector.labels;
  std::vector<std::string> group_by;
  std::ranges::copy_if(label_names, std::back_inserter(group_by),
                       [](const std::string& name) { return !IsTypeLabel(name); });
  if (label_names.empty()) {
    ASSIGN_OR_RETURN(group_by, engine_.LabelNames(text, caller));
  }

  LabelSets sets;
  ASSIGN_OR_RETURN(const std::vector<ProfileType> types, engine_.ProfileTypes(text, caller));
  for (const ProfileType& type : types) {
    if (!selector.Takes(type)) continue;
    Labels of_type = TypeLabels(type);
    std::erase_if(of_type, [&label_names](const auto& label) {
      return !label_names.empty() && std::ranges::find(label_names, label.first) == label_names.end();
    });
    if (group_by.empty() && selector.labels == "{}") {
      sets.insert(std::move(of_type));
      continue;
    }
    text.profile_type = type.ToString();
    ASSIGN_OR_RETURN(const SeriesAnswer answer,
                     engine_.SelectSeries(text, span.end - span.start, group_by, caller));
    for (const TimeSeries& series : answer.series) {
      Labels labels = of_type;
      labels.insert(series.labels.begin(), series.labels.end());
      sets.insert(std::move(labels));
    }
  }
  return sets;
}

absl::Status QuerierMethods::SelectMergeStacktraces(const querier::SelectMergeStacktracesRequest& request,
                                                    const Caller& caller,
                                                    querier::SelectMergeStacktracesResponse& response) {
  ASSIGN_OR_RETURN(SelectionText text, SelectionOf(request));
  SelectStacks(request.stack_trace_selector(), text);
  if (AsksForIds(request) || !request.span_selector().empty()) return absl::OkStatus();
  switch (request.format()) {
    case querier::PROFILE_FORMAT_UNSPECIFIED:
    case querier::PROFILE_FORMAT_FLAMEGRAPH: {
      ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
      AddFlameGraph(answer.profile, MaxNodesOf(request), response);
      return absl::OkStatus();
    }
    case querier::PROFILE_FORMAT_PPROF: {
      ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
      ToPprof(answer.profile, *response.mutable_pprof()->mutable_profile());
      return absl::OkStatus();
    }
    case querier::PROFILE_FORMAT_DOT: {
      ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
      response.set_dot(WriteDot(answer.profile));
      return absl::OkStatus();
    }
    default:
      return absl::UnimplementedError("there are the formats FLAMEGRAPH (1), DOT (3) and PPROF (4)");
  }
}

absl::Status QuerierMethods::SelectMergeSpanProfile(const querier::SelectMergeSpanProfileRequest& request,
                                                    const Caller& caller,
                                                    querier::SelectMergeSpanProfileResponse& response) {
  ASSIGN_OR_RETURN(const SelectionText text, SelectionOf(request));
  if (!request.span_selector().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
  AddFlameGraph(answer.profile, MaxNodesOf(request), response);
  return absl::OkStatus();
}

absl::Status QuerierMethods::SelectMergeProfile(const querier::SelectMergeProfileRequest& request,
                                                const Caller& caller,
                                                perftools::profiles::Profile& response) {
  ASSIGN_OR_RETURN(SelectionText text, SelectionOf(request));
  SelectStacks(request.stack_trace_selector(), text);
  if (AsksForIds(request)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
  ToPprof(answer.profile, response);
  return absl::OkStatus();
}

absl::Status QuerierMethods::SelectSeries(const querier::SelectSeriesRequest& request, const Caller& caller,
                                          querier::SelectSeriesResponse& response) {
  ASSIGN_OR_RETURN(SelectionText text, SelectionOf(request));
  SelectStacks(request.stack_trace_selector(), text);
  if (request.aggregation() != querier::SERIES_AGGREGATION_SUM) {
    return absl::UnimplementedError("the aggregation must be SERIES_AGGREGATION_SUM (0)");
  }
  constexpr double kShortestStep = 1e-3;
  constexpr double kLongestStep = 1e9;
  if (!(request.step() >= kShortestStep && request.step() <= kLongestStep)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a step of ", request.step(), " s is not from ", kShortestStep, " to ", kLongestStep));
  }
  const absl::Duration step = absl::Seconds(request.step());
  ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, engine_.Now()));

  // A point at t is of the windows that start in (t - step, t]. Ours are of [start, start + step): the same,
  // a nanosecond later.
  constexpr absl::Duration kNanosecond = absl::Nanoseconds(1);
  const int64_t last_point = (span.end - kNanosecond - span.start) / step;
  text.start = span.start - step + kNanosecond;
  text.end = span.start + last_point * step + kNanosecond;
  ASSIGN_OR_RETURN(
      const SeriesAnswer answer,
      engine_.SelectSeries(text, step, {request.group_by().begin(), request.group_by().end()}, caller));
  for (const TimeSeries& series : answer.series) {
    if (request.limit() > 0 && response.series_size() >= request.limit()) break;
    querier::TimeSeries& message = *response.add_series();
    ToProto(series.labels, *message.mutable_labels());
    for (const SeriesPoint& point : series.points) {
      querier::Point& added = *message.add_points();
      added.set_value(static_cast<double>(point.value));
      added.set_timestamp(absl::ToUnixMillis(text.start.value() + (point.step + 1) * step - kNanosecond));
    }
  }
  return absl::OkStatus();
}

absl::Status QuerierMethods::Diff(const querier::DiffRequest& request, const Caller& caller,
                                  querier::DiffResponse& response) {
  const auto whole_graph =
      [this, &caller](
          const querier::SelectMergeStacktracesRequest& side) -> absl::StatusOr<pilotlight::FlameGraph> {
    ASSIGN_OR_RETURN(SelectionText text, SelectionOf(side));
    SelectStacks(side.stack_trace_selector(), text);
    ASSIGN_OR_RETURN(const ProfileAnswer answer, engine_.Merge(text, caller));
    return BuildFlameGraph(answer.profile);
  };
  ASSIGN_OR_RETURN(const pilotlight::FlameGraph left, whole_graph(request.left()));
  ASSIGN_OR_RETURN(const pilotlight::FlameGraph right, whole_graph(request.right()));
  FlamebearerDiff diff =
      EncodeFlamebearerDiff(left, right, std::max(MaxNodesOf(request.left()), MaxNodesOf(request.right())));
  SetFlameGraph(diff.both, *response.mutable_flamegraph());
  response.mutable_flamegraph()->set_leftticks(diff.left_total);
  response.mutable_flamegraph()->set_rightticks(diff.right_total);
  return absl::OkStatus();
}

absl::Status QuerierMethods::GetProfileStats(const querier::GetProfileStatsRequest& /*request*/,
                                             const Caller& caller,
                                             querier::GetProfileStatsResponse& response) {
  const absl::Time now = engine_.Now();
  const auto day = [](int64_t number) { return absl::UnixEpoch() + absl::Hours(24 * number); };
  const auto has_profiles = [this, &day, &caller](int64_t first_day,
                                                  int64_t end_day) -> absl::StatusOr<bool> {
    SelectionText text;
    text.start = day(first_day);
    text.end = day(end_day);
    ASSIGN_OR_RETURN(const std::vector<ProfileType> types, engine_.ProfileTypes(text, caller));
    return !types.empty();
  };
  // Windows may be ahead of this clock by some minutes.
  const int64_t end = (now - absl::UnixEpoch()) / absl::Hours(24) + 2;
  ASSIGN_OR_RETURN(const bool any, has_profiles(0, end));
  if (!any) return absl::OkStatus();

  // Looks only at whole days, whose contents the store knows without reading them.
  int64_t first = 0;
  for (int64_t beyond = end; beyond - first > 1;) {
    const int64_t middle = first + (beyond - first) / 2;
    ASSIGN_OR_RETURN(const bool before, has_profiles(0, middle));
    (before ? beyond : first) = middle;
  }
  int64_t last = first;
  for (int64_t beyond = end; beyond - last > 1;) {
    const int64_t middle = last + (beyond - last) / 2;
    ASSIGN_OR_RETURN(const bool after, has_profiles(middle, end));
    (after ? last : beyond) = middle;
  }
  response.set_data_ingested(true);
  response.set_oldest_profile_time(absl::ToUnixMillis(day(first)));
  response.set_newest_profile_time(absl::ToUnixMillis(std::min(day(last + 1), now)));
  return absl::OkStatus();
}

ConnectMethods QuerierTable(QuerierMethods& methods, QueryMetrics& metrics) {
  ConnectMethods table;
  const auto add = [&](const std::string& name, auto method) {
    ConnectMethod entry = MakeConnectMethod(methods, method);
    entry.handler = [&metrics, name = absl::StrCat("querier.", name), answer = std::move(entry.handler)](
                        const auto& request, const Caller& caller, auto& response) {
      QueryTimer timer(metrics, name);
      return timer.Finish(answer(request, caller, response));
    };
    table[name] = std::move(entry);
  };
  add("ProfileTypes", &QuerierMethods::ProfileTypes);
  add("LabelNames", &QuerierMethods::LabelNames);
  add("LabelValues", &QuerierMethods::LabelValues);
  add("Series", &QuerierMethods::Series);
  add("SelectMergeStacktraces", &QuerierMethods::SelectMergeStacktraces);
  add("SelectMergeSpanProfile", &QuerierMethods::SelectMergeSpanProfile);
  add("SelectMergeProfile", &QuerierMethods::SelectMergeProfile);
  add("SelectSeries", &QuerierMethods::SelectSeries);
  add("Diff", &QuerierMethods::Diff);
  add("GetProfileStats", &QuerierMethods::GetProfileStats);
  return table;
}

void AddQuerierOverHttp(QuerierMethods& methods, QueryMetrics& metrics, const TenantOf& tenant_of,
                        HttpServer& server) {
  AddConnectService(*querier::SelectSeriesRequest::descriptor()->file()->FindServiceByName("QuerierService"),
                    QuerierTable(methods, metrics), tenant_of, server);
}

}  // namespace pilotlight::collector
