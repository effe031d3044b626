// A pilotlight-collector that a test starts as its own process.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "tests/support/child_process.h"

namespace pilotlight {

// Listens on localhost. Killed by the destructor.
class CollectorProcess {
 public:
  // `flags` are added to the command line. With port 0 gRPC takes a free one, as HTTP always does.
  CollectorProcess(const std::string& program, const std::string& storage_path, const std::string& flags = "",
                   int grpc_port = 0)
      : process_({"/bin/sh", "-c",
                  absl::StrCat("exec ", program, " --storage.path=", storage_path,
                               " --grpc.listen-address=127.0.0.1:", grpc_port,
                               " --web.listen-address=127.0.0.1:0 ", flags, " 2>&1")}) {
    // …msg="pilotlight-collector 0.1.0: gRPC on port 41234, HTTP on port 41235, …
    first_line_ = process_.ReadLine();
    const std::vector<std::string> words =
        absl::StrSplit(first_line_, absl::ByAnyChar(" ,"), absl::SkipEmpty());
    for (size_t i = 0; i + 3 < words.size(); ++i) {
      if (words[i] == "gRPC") grpc_port_ = std::atoi(words[i + 3].c_str());
      if (words[i] == "HTTP") http_port_ = std::atoi(words[i + 3].c_str());
    }
  }

  // Else the first line says why not.
  bool running() const { return grpc_port_ != 0 && http_port_ != 0; }
  const std::string& first_line() const { return first_line_; }
  int grpc_port() const { return grpc_port_; }
  int http_port() const { return http_port_; }
  ChildProcess& process() { return process_; }

 private:
  ChildProcess process_;
  std::string first_line_;
  int grpc_port_ = 0;
  int http_port_ = 0;
};

}  // namespace pilotlight
