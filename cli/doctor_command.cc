#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "agent/containers/container_runtimes.h"
#include "agent/inspect/inspection_wire.h"
#include "agent/labels/process_labels.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/doctor_view.h"
#include "cli/output.h"
#include "cli/query_flags.h"
#include "cli/terminal.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight doctor                what would be seen of this node, and how well
  pilotlight doctor --pid 1234     of one process
  pilotlight doctor --node worker-3 --collector profiles:7171    of another node, as its agent sees it
  pilotlight doctor -o json | jq '.programs[] | select(.names != "all")'

Without --node it looks at this node with your own rights: run it as the agent would run. The exit code is 1 when no
capture source would work. "names" says which functions of the main program have names, "frame
pointers" which of them do not cut a stack short.)";

struct DoctorFlags {
  QueryFlags query;
  std::string node;
  std::vector<pid_t> pids;
  size_t limit = 20;
  std::string format = "table";
};

absl::StatusOr<agent::Inspection> Inspect(const DoctorFlags& flags) {
  if (!flags.node.empty()) {
    CollectorClient client(flags.query.collector, flags.query.timeout, flags.query.access);
    ASSIGN_OR_RETURN(const v1::NodeInspection inspection, client.Inspect(flags.node));
    return agent::DecodeInspection(inspection);
  }
  ASSIGN_OR_RETURN(const agent::RuntimeSockets sockets, agent::ParseRuntimeEndpoint(agent::kAutoEndpoint));
  agent::ContainerDirectory containers(agent::MakeContainerRuntime(sockets));
  agent::ProcessLabels labels(&containers, /*rules=*/{});
  if (!flags.pids.empty()) return agent::InspectThese(flags.pids, &labels);
  return agent::InspectAll(&labels);
}

int RunDoctor(const CLI::App& command, const DoctorFlags& flags) {
  const absl::StatusOr<agent::Inspection> inspection = Inspect(flags);
  if (!inspection.ok()) return FailQuery(command, inspection.status());
  const std::string text =
      flags.format == "json"
          ? DoctorJson(*inspection)
          : DoctorText(*inspection, flags.limit, TerminalWidth(STDOUT_FILENO), UseColour(STDOUT_FILENO));
  if (const absl::Status written = WriteOutput(text, "-"); !written.ok()) return Fail(written);
  return std::ranges::any_of(inspection->node.sources,
                             [](const agent::SourceReport& source) { return source.status.ok(); })
             ? 0
             : 1;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<DoctorFlags>();
  CLI::App* const command =
      app.add_subcommand("doctor", "What would be seen of this node's processes, and what would help");
  command->footer(kExamples);
  CLI::Option* const pid =
      command->add_option("--pid", flags->pids, "Only this process; may be repeated")->type_name("PID");
  command->add_option("--node", flags->node, "That node, as its agent sees it; asked through the collector")
      ->type_name("NODE")
      ->excludes(pid);
  AddCollectorFlags(*command, flags->query);
  command->add_option("-n", flags->limit, "How many programs, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  AddTableFormatFlag(*command, flags->format);
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunDoctor(*command, *flags); }; });
}

}  // namespace pilotlight::cli
