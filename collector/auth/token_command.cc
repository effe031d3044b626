#include "collector/auth/token_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/tenant_name.h"
#include "base/unique_fd.h"
#include "collector/auth/token_file.h"

namespace pilotlight::collector {

TokenCommand::TokenCommand(CLI::App& app)
    : command_(app.add_subcommand("token",
                                  "Make a token: it goes to a file for who is to use it, and its entry for "
                                  "--auth.token-file, which has only its hash, to standard output")) {
  command_->add_option("--name", name_, "Whose it is, for people")->required();
  command_->add_option("--role", role_, "write sends profiles, read asks for them, admin does everything")
      ->check(CLI::IsMember({"write", "read", "admin"}))
      ->type_name("ROLE")
      ->required();
  command_->add_option("--tenant", tenant_, "Whose profiles it is for, alone")->type_name("TENANT");
  command_->add_option("--out", out_, "File for the token, which must not be there yet")
      ->type_name("FILE")
      ->required();
}

std::optional<int> TokenCommand::RunGiven() const {
  if (!command_->parsed()) return std::nullopt;
  if (!IsTokenName(name_)) {
    std::fprintf(stderr, "pilotlight-collector token: --name is of letters, digits and _ - . : /\n");
    return kExitUsage;
  }
  if (const absl::Status status = CheckTenantName(tenant_); !tenant_.empty() && !status.ok()) {
    std::fprintf(stderr, "pilotlight-collector token: --tenant: %s\n", std::string(status.message()).c_str());
    return kExitUsage;
  }
  const std::string token = MakeToken();
  const std::string line = token + "\n";
  const UniqueFd file(::open(out_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid() || ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ::fsync(file.get()) != 0) {
    std::fprintf(stderr, "pilotlight-collector token: %s: %s\n", out_.c_str(), std::strerror(errno));
    return kExitFailure;
  }
  const TokenEntry entry = {
      .name = name_, .role = *ParseRole(role_), .tenant = tenant_, .sha256 = HashToken(token)};
  std::fputs(WriteEntry(entry).c_str(), stdout);
  return 0;
}

}  // namespace pilotlight::collector
