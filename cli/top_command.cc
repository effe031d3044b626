#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <memory>

#include "base/flags.h"
#include "cli/blockers_view.h"
#include "cli/commands.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/terminal.h"
#include "cli/top_view.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight top                                     the last hour, all services
  pilotlight top -s checkout --since 15m             one service
  pilotlight top -s '{namespace="shop", pod=~"cart-.*"}' --cum
  pilotlight top -s checkout --focus 'database/sql'  only what passes through it
  pilotlight top -s checkout --blockers              who keeps the Go scheduler busy
  pilotlight top cpu.pb.gz                           a file of go tool pprof or of record
  perf script | pilotlight top -                     a recording of perf
  curl -s host:6060/debug/pprof/heap | pilotlight top - --type alloc_space

flat is the time in the function itself, cum includes all it calls. "95% sure" is the interval that
holds the true share in 95 of 100 such samplings: two functions whose intervals overlap may be equal.)";

struct TopFlags {
  QueryFlags query;
  std::vector<std::string> files;
  bool cumulative = false;
  bool blockers = false;
  uint32_t limit = 20;
  std::string format = "table";
};

int PrintBlockers(const Profile& profile, const TopView& view, const TopFlags& flags) {
  const BlockerTable table = BuildBlockers(profile, flags.limit);
  const std::string text = flags.format == "json"
                               ? BlockersJson(table, view)
                               : BlockersText(table, view, TerminalWidth(STDOUT_FILENO),
                                              UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  return WriteOrFail(text);
}

int Print(const TopView& view, const TopFlags& flags) {
  const std::string text = flags.format == "json" ? TopJson(view)
                                                  : TopText(view, TerminalWidth(STDOUT_FILENO),
                                                            UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  return WriteOrFail(text);
}

int TopOfFiles(const CLI::App& command, const TopFlags& flags, TopView view) {
  const absl::StatusOr<Profile> profile = ReadProfiles(flags.files, flags.query);
  if (!profile.ok()) return FailQuery(command, profile.status());
  view.subject = NameFiles(flags.files);
  view.answer = {BuildTop(*profile, view.order, flags.limit), QualityOf(*profile), profile->type};
  if (profile->samples.empty() && flags.format != "json") {
    std::cerr << view.subject
              << (view.filtered ? ": no stack passes --focus and --ignore.\n" : " is empty.\n");
    return 0;
  }
  return flags.blockers ? PrintBlockers(*profile, view, flags) : Print(view, flags);
}

int TopOfCollector(const CLI::App& command, const TopFlags& flags, TopView view) {
  const absl::StatusOr<Selection> selection = ToSelection(flags.query, absl::Now(), absl::LocalTimeZone());
  if (!selection.ok()) return FailUsage(command, selection.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  // On the wire 0 means the collector's default.
  const uint32_t limit = flags.limit == 0 ? UINT32_MAX : flags.limit;
  absl::StatusOr<TopAnswer> answer = client.Top(*selection, view.order, limit);
  if (!answer.ok()) return FailQuery(command, answer.status());
  view.subject = selection->subject();
  view.span = selection->span;
  view.answer = *std::move(answer);
  if (view.answer.quality.samples == 0) {
    ExplainEmpty(*selection, view.answer.quality, absl::LocalTimeZone());
    if (flags.format != "json") return 0;
  }
  if (!flags.blockers) return Print(view, flags);
  const absl::StatusOr<Profile> profile = FetchProfile(client, *selection);
  if (!profile.ok()) return FailQuery(command, profile.status());
  return PrintBlockers(*profile, view, flags);
}

int RunTop(const CLI::App& command, const TopFlags& flags) {
  TopView view;
  view.order = flags.cumulative ? TopOrder::kCumulative : TopOrder::kFlat;
  view.filtered = !flags.query.focus.empty() || !flags.query.ignore.empty();
  return flags.files.empty() ? TopOfCollector(command, flags, std::move(view))
                             : TopOfFiles(command, flags, std::move(view));
}

}  // namespace

void AddTopCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<TopFlags>();
  CLI::App* const command =
      app.add_subcommand("top", "The functions that use the most CPU time: look here first");
  command->footer(kExamples);
  command->add_option("FILE", flags->files, "pprof, folded or perf script files, merged; - is standard input")
      ->type_name("");
  command->add_flag("--cum", flags->cumulative, "Sort by the time with all callees");
  command->add_flag("--blockers", flags->blockers,
                    "Who gives up the CPU in Go programs: the callers of runtime.mcall");
  command->add_option("-n", flags->limit, "How many functions, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  AddQueryFlags(*command, flags->query);
  AddTypeFlag(*command, flags->query);
  AddStackFilterFlags(*command, flags->query.focus, flags->query.ignore);
  AddFrameFilterFlags(*command, flags->query.frames);
  AddTableFormatFlag(*command, flags->format);
  command->callback([command, flags, &run] { run = [command, flags] { return RunTop(*command, *flags); }; });
}

}  // namespace pilotlight::cli
