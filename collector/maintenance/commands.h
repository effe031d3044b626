// What the collector's program does with a store that no collector uses: `check` and `repair`.
#pragma once

#include <optional>
#include <string>

#include "base/flags.h"

namespace pilotlight::collector {

// 0 when the store is whole, kExitFailure when it could not be read, kExitUsage after a wrong flag.
inline constexpr int kExitProblems = 3;  // something is wrong with it

class MaintenanceCommands {
 public:
  // Adds the sub-commands; `app` must not outlive this.
  explicit MaintenanceCommands(CLI::App& app);

  // The exit code when one of them was given: it has been carried out.
  std::optional<int> RunGiven() const;

 private:
  void AddFlags(CLI::App& command);

  CLI::App* const check_;
  CLI::App* const repair_;
  std::string path_ = "./data";
  std::string output_ = "table";
};

}  // namespace pilotlight::collector
