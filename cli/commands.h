// The sub-commands of `pilotlight`. Each adds itself to `app`; the one that was typed sets `run`, which does
// the work after the command line has been read and returns the exit code: 0, 1 for a failure, 2 for usage.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pilotlight::cli {

using Run = std::function<int()>;

void AddTopCommand(CLI::App& app, Run& run);
void AddFlameCommand(CLI::App& app, Run& run);
void AddDiffCommand(CLI::App& app, Run& run);
void AddPeekCommand(CLI::App& app, Run& run);
void AddListCommand(CLI::App& app, Run& run);
void AddQueryCommand(CLI::App& app, Run& run);
void AddLabelsCommand(CLI::App& app, Run& run);
void AddAgentsCommand(CLI::App& app, Run& run);
void AddCaptureCommand(CLI::App& app, Run& run);
void AddPushCommand(CLI::App& app, Run& run);
void AddDoctorCommand(CLI::App& app, Run& run);
// `command_line` is what stood after "--".
void AddRecordCommand(CLI::App& app, std::vector<std::string> command_line, Run& run);

// Prints "pilotlight: …" to standard error and returns the exit code.
int Fail(const absl::Status& status);
int FailUsage(const CLI::App& command, const absl::Status& status);
// InvalidArgument from the collector is about what was typed.
int FailQuery(const CLI::App& command, const absl::Status& status);
// WriteOutput(), and the exit code.
int WriteOrFail(absl::string_view bytes, absl::string_view out = "-");

}  // namespace pilotlight::cli
