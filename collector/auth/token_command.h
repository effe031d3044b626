// `pilotlight-collector token`: makes a token for --auth.token-file.
#pragma once

#include <optional>
#include <string>

#include "base/flags.h"

namespace pilotlight::collector {

class TokenCommand {
 public:
  // `app` must not outlive this.
  explicit TokenCommand(CLI::App& app);

  // The exit code when it was given: it has been carried out.
  std::optional<int> RunGiven() const;

 private:
  CLI::App* const command_;
  std::string name_;
  std::string role_;
  std::string tenant_;
  std::string out_;
};

}  // namespace pilotlight::collector
