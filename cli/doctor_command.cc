#include <unistd.h>

#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "cli/commands.h"
#include "cli/doctor_view.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight doctor                what would be seen of this node, and how well
  pilotlight doctor --pid 1234     of one process
  pilotlight doctor -o json | jq '.programs[] | select(.names != "all")'

Looks at this node with your own rights: run it as the agent would run. The exit code is 1 when no
capture source would work. "names" says which functions of the main program have names, "frame
pointers" which of them do not cut a stack short.)";

struct DoctorFlags {
  std::vector<pid_t> pids;
  size_t limit = 20;
  std::string format = "table";
};

int RunDoctor(const DoctorFlags& flags) {
  const std::vector<pid_t> pids = flags.pids.empty() ? agent::ListProcesses() : flags.pids;
  std::vector<agent::ProcessReport> processes;
  for (const pid_t pid : pids) {
    absl::StatusOr<agent::ProcessReport> process = agent::InspectProcess(pid);
    if (process.ok()) {
      processes.push_back(*std::move(process));
    } else if (!flags.pids.empty()) {
      return Fail(process.status());
    }
  }
  const std::vector<ProgramReport> programs = GroupByExecutable(std::move(processes));
  const agent::NodeReport node = agent::InspectNode();
  const std::string text =
      flags.format == "json"
          ? DoctorJson(node, programs)
          : DoctorText(node, programs, flags.limit, TerminalWidth(STDOUT_FILENO), UseColour(STDOUT_FILENO));
  if (const absl::Status written = WriteOutput(text, "-"); !written.ok()) return Fail(written);
  const bool works = std::any_of(node.sources.begin(), node.sources.end(),
                                 [](const agent::SourceReport& source) { return source.status.ok(); });
  return works ? 0 : 1;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<DoctorFlags>();
  CLI::App* const command =
      app.add_subcommand("doctor", "What would be seen of this node's processes, and what would help");
  command->footer(kExamples);
  command->add_option("--pid", flags->pids, "Only this process; may be repeated")->type_name("PID");
  command->add_option("-n", flags->limit, "How many programs, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  command->add_option("-o,--output", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  command->callback([flags, &run] { run = [flags] { return RunDoctor(*flags); }; });
}

}  // namespace pilotlight::cli
