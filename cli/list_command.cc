#include <unistd.h>

#include <cstdint>
#include <memory>

#include "cli/commands.h"
#include "cli/list_view.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/terminal.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight list 'main\.total' -s checkout          in the checkout of its sources
  pilotlight list '^json\.' -s checkout --since 24h
  pilotlight list compress cpu.pb.gz                 a file of go tool pprof or of record
  pilotlight list mallocgc cpu.pb.gz --source-path "$(go env GOROOT)/src:."

flat is the cost of a line itself, cum that of what it calls, too. A source file is looked for where the profile
says that it is, then in the directories of --source-path by ever shorter ends of its path.)";

struct ListFlags {
  QueryFlags query;
  std::string function;
  std::vector<std::string> files;
  std::vector<std::string> source_path = {"."};
  uint32_t limit = 3;
  std::string format = "table";
};

int Print(const CLI::App& command, const Profile& profile, TopView head, const ListFlags& flags) {
  const absl::StatusOr<Listing> listing = BuildListing(profile, flags.function, flags.limit);
  if (!listing.ok()) return FailQuery(command, listing.status());
  const bool json = flags.format == "json";
  if (listing->functions.empty() && !json) {
    ExplainNoFunction(head.subject, flags.function);
    return 0;
  }
  head.answer.type = profile.type;
  const std::string text =
      json ? ListJson(*listing, head)
           : ListText(*listing, head, SourceFiles(flags.source_path), TerminalWidth(STDOUT_FILENO),
                      UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  return WriteOrFail(text);
}

int ListOfFiles(const CLI::App& command, const ListFlags& flags, TopView head) {
  const absl::StatusOr<Profile> profile = ReadProfiles(flags.files, flags.query);
  if (!profile.ok()) return FailQuery(command, profile.status());
  head.subject = NameFiles(flags.files);
  head.answer.quality = QualityOf(*profile);
  return Print(command, *profile, std::move(head), flags);
}

int ListOfCollector(const CLI::App& command, const ListFlags& flags, TopView head) {
  const absl::StatusOr<Selection> selection = ToSelection(flags.query, absl::Now(), absl::LocalTimeZone());
  if (!selection.ok()) return FailUsage(command, selection.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  const absl::StatusOr<FlameAnswer> answer = client.QueryFlameGraph(*selection, /*max_nodes=*/1);
  if (!answer.ok()) return FailQuery(command, answer.status());
  if (answer->quality.samples == 0) {
    ExplainEmpty(*selection, answer->quality, absl::LocalTimeZone());
    if (flags.format != "json") return 0;
  }
  const absl::StatusOr<Profile> profile = FetchProfile(client, *selection);
  if (!profile.ok()) return FailQuery(command, profile.status());
  head.subject = selection->subject();
  head.span = selection->span;
  head.answer.quality = answer->quality;
  return Print(command, *profile, std::move(head), flags);
}

int RunList(const CLI::App& command, const ListFlags& flags) {
  TopView head;
  head.filtered = !flags.query.focus.empty() || !flags.query.ignore.empty();
  return flags.files.empty() ? ListOfCollector(command, flags, std::move(head))
                             : ListOfFiles(command, flags, std::move(head));
}

}  // namespace

void AddListCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<ListFlags>();
  CLI::App* const command = app.add_subcommand("list", "The lines of a function, with what each costs");
  command->footer(kExamples);
  command->add_option("FUNCTION", flags->function, "RE2 expression that matches anywhere in its name")
      ->type_name("REGEX")
      ->required();
  command->add_option("FILE", flags->files, "pprof, folded or perf script files, merged; - is standard input")
      ->type_name("");
  command->add_option("-n", flags->limit, "How many functions, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  command
      ->add_option("--source-path", flags->source_path,
                   "Where source files are, one directory after the other")
      ->type_name("DIR:…")
      ->delimiter(':')
      ->capture_default_str();
  AddQueryFlags(*command, flags->query);
  AddTypeFlag(*command, flags->query);
  AddStackFilterFlags(*command, flags->query.focus, flags->query.ignore);
  AddFrameFilterFlags(*command, flags->query.frames);
  AddTableFormatFlag(*command, flags->format);
  command->callback([command, flags, &run] { run = [command, flags] { return RunList(*command, *flags); }; });
}

}  // namespace pilotlight::cli
