#include <unistd.h>

#include <memory>

#include "absl/strings/str_split.h"
#include "base/flags.h"
#include "cli/commands.h"
#include "cli/query_flags.h"
#include "cli/series_view.h"
#include "cli/share_view.h"
#include "cli/terminal.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight query -s checkout --since 6h                 one service over six hours
  pilotlight query --by service_name --since 24h          which service used how much, and when
  pilotlight query --by service_name,pod --step 5m
  pilotlight query -s checkout --focus 'runtime\.mcall'   the time that passes through a function
  pilotlight query -s checkout --focus 'json\.Unmarshal' --share --by version
                                                          what part of all it is, in each version
  pilotlight query --by service_name -o json

Cores are an estimate for the whole step: what was sampled, scaled by the agents' duty cycle.
Nothing was watched in steps that are left out.)";

struct SeriesFlags {
  QueryFlags query;
  absl::Duration step;
  std::vector<std::string> by;
  bool share = false;
  uint32_t limit = 20;
  std::string format = "table";
};

int Print(const SeriesAnswer& answer, const TimeSpan& span, const std::vector<std::string>& group_by,
          const SeriesFlags& flags) {
  if (flags.format == "json") return WriteOrFail(SeriesJson(answer, span));
  return WriteOrFail(SeriesText(answer, span, group_by, flags.limit, TerminalWidth(STDOUT_FILENO),
                                UseColour(STDOUT_FILENO), absl::LocalTimeZone()));
}

int PrintShare(const SeriesAnswer& part, const SeriesAnswer& whole, const TimeSpan& span,
               const std::vector<std::string>& group_by, const SeriesFlags& flags) {
  if (flags.format == "json") return WriteOrFail(SeriesShareJson(part, whole, span));
  return WriteOrFail(SeriesShareText(part, whole, span, group_by, flags.limit, TerminalWidth(STDOUT_FILENO),
                                     UseColour(STDOUT_FILENO), absl::LocalTimeZone()));
}

int RunQuery(const CLI::App& command, const SeriesFlags& flags) {
  if (flags.share && flags.query.focus.empty()) {
    return FailUsage(command,
                     absl::InvalidArgumentError(
                         "--share is of what --focus keeps; for example --focus 'json\\.Unmarshal'"));
  }
  const absl::StatusOr<Selection> selection = ToSelection(flags.query, absl::Now(), absl::LocalTimeZone());
  if (!selection.ok()) return FailUsage(command, selection.status());
  std::vector<std::string> group_by;
  for (const std::string& names : flags.by) {
    for (const absl::string_view name : absl::StrSplit(names, ',', absl::SkipWhitespace())) {
      // As in selectors.
      group_by.emplace_back(name == "service" ? kServiceLabel : name);
    }
  }
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  Selection all = *selection;
  if (flags.share) all.focus.clear();
  const absl::StatusOr<SeriesAnswer> answer = client.QuerySeries(all, flags.step, group_by);
  if (!answer.ok()) return FailQuery(command, answer.status());
  if (answer->series.empty()) {
    ExplainEmpty(all, {}, absl::LocalTimeZone());
    if (flags.format != "json") return 0;
  }
  if (!flags.share) return Print(*answer, selection->span, group_by, flags);
  const absl::StatusOr<SeriesAnswer> part = client.QuerySeries(*selection, answer->step, group_by);
  if (!part.ok()) return FailQuery(command, part.status());
  return PrintShare(*part, *answer, selection->span, group_by, flags);
}

}  // namespace

void AddQueryCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<SeriesFlags>();
  CLI::App* const command = app.add_subcommand("query", "CPU use over time");
  command->footer(kExamples);
  AddDurationFlag(*command, "--step", flags->step, "Length of a step; a 60th of the span when not given")
      ->default_str("");
  command->add_option("--by", flags->by, "One series for each value of these labels")
      ->type_name("LABEL[,LABEL]");
  command->add_flag("--share", flags->share,
                    "Of what --focus keeps, its share of the samples without --focus");
  command->add_option("-n", flags->limit, "How many series of the table, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  AddQueryFlags(*command, flags->query);
  AddTypeFlag(*command, flags->query);
  AddStackFilterFlags(*command, flags->query.focus, flags->query.ignore);
  AddTableFormatFlag(*command, flags->format);
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunQuery(*command, *flags); }; });
}

}  // namespace pilotlight::cli
