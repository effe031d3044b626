#include "cli/commands.h"

#include <iostream>

#include "base/flags.h"
#include "cli/output.h"

namespace pilotlight::cli {

int Fail(const absl::Status& status) {
  std::cerr << "pilotlight: " << status.message() << "\n";
  return kExitFailure;
}

int FailUsage(const CLI::App& command, const absl::Status& status) {
  std::cerr << "pilotlight " << command.get_name() << ": " << status.message() << "\nSee pilotlight "
            << command.get_name() << " --help.\n";
  return kExitUsage;
}

int FailQuery(const CLI::App& command, const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? FailUsage(command, status) : Fail(status);
}

int WriteOrFail(absl::string_view bytes, absl::string_view out) {
  const absl::Status written = WriteOutput(bytes, out);
  return written.ok() ? 0 : Fail(written);
}

}  // namespace pilotlight::cli
