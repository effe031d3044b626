#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/diff_view.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/terminal.h"
#include "cli/top_view.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight diff -s checkout                        the last hour with the hour before
  pilotlight diff -s checkout --base-offset 7d       with the same hour a week ago
  pilotlight diff -s checkout --since 10m --base-from '2024-05-01 11:50'
  pilotlight diff -s '{service="checkout", version="2"}' --base-selector '{service="checkout", version="1"}'
  pilotlight diff before.pb.gz after.pb.gz --cum     two files of go tool pprof or of record

Changes are in points of the share, new less base: +1.5 under flat is 1.5 % of all time more in the function
itself. ▲ ▼ mark those beyond chance (two-proportion test, corrected for the number of functions). The test
takes samples as independent: it tells that two samplings differ, not why.)";

struct DiffFlags {
  QueryFlags query;
  BaseFlags base;
  std::vector<std::string> files;
  bool cumulative = false;
  uint32_t limit = 20;
  std::string format = "table";
};

int Print(const DiffView& view, const DiffFlags& flags) {
  const std::string text = flags.format == "json" ? DiffJson(view)
                                                  : DiffText(view, TerminalWidth(STDOUT_FILENO),
                                                             UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  return WriteOrFail(text);
}

int DiffOfFiles(const CLI::App& command, const DiffFlags& flags, DiffView view) {
  const absl::StatusOr<Profile> base = ReadProfiles({flags.files[0]}, flags.query);
  if (!base.ok()) return FailQuery(command, base.status());
  const absl::StatusOr<Profile> comparison = ReadProfiles({flags.files[1]}, flags.query);
  if (!comparison.ok()) return FailQuery(command, comparison.status());
  absl::StatusOr<DiffTable> table = BuildDiff(*base, *comparison, view.order, flags.limit);
  if (!table.ok()) return FailQuery(command, table.status());
  view.base.subject = NameFiles({flags.files[0]});
  view.comparison.subject = NameFiles({flags.files[1]});
  view.answer = {*std::move(table), QualityOf(*base), QualityOf(*comparison), comparison->type};
  return Print(view, flags);
}

int DiffOfCollector(const CLI::App& command, const DiffFlags& flags, DiffView view) {
  const absl::Time now = absl::Now();
  const absl::TimeZone zone = absl::LocalTimeZone();
  const absl::StatusOr<Selection> comparison = ToSelection(flags.query, now, zone);
  if (!comparison.ok()) return FailUsage(command, comparison.status());
  const absl::StatusOr<Selection> base = ToBaseSelection(*comparison, flags.base, now, zone);
  if (!base.ok()) return FailUsage(command, base.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  // On the wire 0 means the collector's default.
  const uint32_t limit = flags.limit == 0 ? UINT32_MAX : flags.limit;
  absl::StatusOr<DiffAnswer> answer = client.Diff(*base, *comparison, view.order, limit);
  if (!answer.ok()) return FailQuery(command, answer.status());
  const auto side = [](const Selection& selection) {
    return DiffView::Side{selection.subject(), selection.span};
  };
  view.base = side(*base);
  view.comparison = side(*comparison);
  view.answer = *std::move(answer);
  if (view.answer.base_quality.samples == 0) ExplainEmpty(*base, view.answer.base_quality, zone);
  if (view.answer.comparison_quality.samples == 0) {
    ExplainEmpty(*comparison, view.answer.comparison_quality, zone);
  }
  if (view.answer.table.all_rows == 0 && flags.format != "json") return 0;
  return Print(view, flags);
}

int RunDiff(const CLI::App& command, const DiffFlags& flags) {
  DiffView view;
  view.order = flags.cumulative ? TopOrder::kCumulative : TopOrder::kFlat;
  view.filtered = !flags.query.focus.empty() || !flags.query.ignore.empty();
  if (flags.files.empty()) return DiffOfCollector(command, flags, std::move(view));
  if (flags.files.size() != 2) {
    return FailUsage(
        command, absl::InvalidArgumentError("give two files, the base first, or none to ask the collector"));
  }
  return DiffOfFiles(command, flags, std::move(view));
}

}  // namespace

void AddDiffCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<DiffFlags>();
  CLI::App* const command =
      app.add_subcommand("diff", "What changed between two spans, selections or files, beyond chance");
  command->footer(kExamples);
  command->add_option("FILE", flags->files, "Two pprof, folded or perf script files, the base first")
      ->type_name("");
  command->add_flag("--cum", flags->cumulative, "Sort by the change with all callees");
  command->add_option("-n", flags->limit, "How many functions, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  AddBaseFlags(*command, flags->base);
  AddQueryFlags(*command, flags->query);
  AddTypeFlag(*command, flags->query);
  AddStackFilterFlags(*command, flags->query.focus, flags->query.ignore);
  AddFrameFilterFlags(*command, flags->query.frames);
  AddTableFormatFlag(*command, flags->format);
  command->callback([command, flags, &run] { run = [command, flags] { return RunDiff(*command, *flags); }; });
}

}  // namespace pilotlight::cli
