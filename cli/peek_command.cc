#include <unistd.h>

#include <cstdint>
#include <memory>

#include "cli/commands.h"
#include "cli/peek_view.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/terminal.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight peek 'json\.Unmarshal' -s checkout      who calls it, and what it calls
  pilotlight peek '^runtime\.mallocgc$' --since 24h
  pilotlight peek 'database/sql' cpu.pb.gz           a file of go tool pprof or of record

Callers stand above a function, callees below. calls is the time of the stacks that have the call, calls% its
part of the function's cum. Calls of a function by itself are left out.)";

struct PeekFlags {
  QueryFlags query;
  std::string function;
  std::vector<std::string> files;
  uint32_t limit = 10;
  std::string format = "table";
};

int Print(const PeekTable& table, const TopView& head, const PeekFlags& flags) {
  const bool json = flags.format == "json";
  if (table.functions.empty() && !json) {
    ExplainNoFunction(head.subject, flags.function);
    return 0;
  }
  const std::string text = json ? PeekJson(table, head)
                                : PeekText(table, head, TerminalWidth(STDOUT_FILENO),
                                           UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  return WriteOrFail(text);
}

int PeekIntoFiles(const CLI::App& command, const PeekFlags& flags, TopView head) {
  const absl::StatusOr<Profile> profile = ReadProfiles(flags.files, flags.query);
  if (!profile.ok()) return FailQuery(command, profile.status());
  const absl::StatusOr<PeekTable> table = BuildPeek(*profile, flags.function, flags.limit);
  if (!table.ok()) return FailQuery(command, table.status());
  head.subject = NameFiles(flags.files);
  head.answer.quality = QualityOf(*profile);
  head.answer.type = profile->type;
  return Print(*table, head, flags);
}

int PeekIntoCollector(const CLI::App& command, const PeekFlags& flags, TopView head) {
  const absl::StatusOr<Selection> selection = ToSelection(flags.query, absl::Now(), absl::LocalTimeZone());
  if (!selection.ok()) return FailUsage(command, selection.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  // On the wire 0 means the collector's default.
  const uint32_t limit = flags.limit == 0 ? UINT32_MAX : flags.limit;
  const absl::StatusOr<PeekAnswer> answer = client.Peek(*selection, flags.function, limit);
  if (!answer.ok()) return FailQuery(command, answer.status());
  head.subject = selection->subject();
  head.span = selection->span;
  head.answer.quality = answer->quality;
  head.answer.type = answer->type;
  if (answer->quality.samples == 0) {
    ExplainEmpty(*selection, answer->quality, absl::LocalTimeZone());
    if (flags.format != "json") return 0;
  }
  return Print(answer->table, head, flags);
}

int RunPeek(const CLI::App& command, const PeekFlags& flags) {
  TopView head;
  head.filtered = !flags.query.focus.empty() || !flags.query.ignore.empty();
  return flags.files.empty() ? PeekIntoCollector(command, flags, std::move(head))
                             : PeekIntoFiles(command, flags, std::move(head));
}

}  // namespace

void AddPeekCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<PeekFlags>();
  CLI::App* const command = app.add_subcommand("peek", "Who calls a function, and what it calls");
  command->footer(kExamples);
  command->add_option("FUNCTION", flags->function, "RE2 expression that matches anywhere in its name")
      ->type_name("REGEX")
      ->required();
  command->add_option("FILE", flags->files, "pprof, folded or perf script files, merged; - is standard input")
      ->type_name("");
  command->add_option("-n", flags->limit, "How many functions, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  AddQueryFlags(*command, flags->query);
  AddTypeFlag(*command, flags->query);
  AddStackFilterFlags(*command, flags->query.focus, flags->query.ignore);
  AddFrameFilterFlags(*command, flags->query.frames);
  AddTableFormatFlag(*command, flags->format);
  command->callback([command, flags, &run] { run = [command, flags] { return RunPeek(*command, *flags); }; });
}

}  // namespace pilotlight::cli
