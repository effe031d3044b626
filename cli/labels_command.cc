#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/query_flags.h"
#include "exporters/utf8.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight labels                                  which labels there are
  pilotlight labels service_name                     which services were profiled in the last hour
  pilotlight labels pod -s checkout --since 24h      the pods of one service
  pilotlight labels __profile_type__                 the profile types, for --type)";

// Pyroscope's name for it.
constexpr absl::string_view kProfileTypeLabel = "__profile_type__";

struct LabelsFlags {
  QueryFlags query;
  std::string name;
  std::string format = "table";
};

int RunLabels(const CLI::App& command, const LabelsFlags& flags) {
  const absl::StatusOr<Selection> selection = ToSelection(flags.query, absl::Now(), absl::LocalTimeZone());
  if (!selection.ok()) return FailUsage(command, selection.status());
  CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
  const absl::StatusOr<std::vector<std::string>> answer =
      flags.name.empty() ? client.LabelNames(*selection)
      : flags.name == kProfileTypeLabel
          ? client.ProfileTypes(*selection)
          : client.LabelValues(flags.name == "service" ? std::string(kServiceLabel) : flags.name, *selection);
  if (!answer.ok()) return FailQuery(command, answer.status());
  if (answer->empty()) {
    std::cerr << (flags.name.empty() ? "No labels" : absl::StrCat("No values of ", flags.name)) << " for "
              << (selection->selector.empty() ? "{}" : selection->selector) << ", "
              << SpanText(selection->span, absl::LocalTimeZone()) << ".\nTry a longer span: --since 24h\n";
  }
  std::string text;
  if (flags.format == "json") {
    text = nlohmann::json(*answer).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  } else {
    for (const std::string& value : *answer) absl::StrAppend(&text, ToDisplayText(value), "\n");
  }
  return WriteOrFail(text);
}

}  // namespace

void AddLabelsCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<LabelsFlags>();
  CLI::App* const command = app.add_subcommand("labels", "Which labels, services and pods there are");
  command->footer(kExamples);
  command->add_option("NAME", flags->name, "Show the values of this label instead of the labels' names")
      ->type_name("");
  AddQueryFlags(*command, flags->query);
  AddTableFormatFlag(*command, flags->format);
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunLabels(*command, *flags); }; });
}

}  // namespace pilotlight::cli
