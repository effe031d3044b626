// A pilotlight-agent that a test starts as its own process.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/http_client.h"
#include "base/stop_signal.h"
#include "tests/support/child_process.h"

namespace pilotlight {

// Its HTTP listens on a free port of localhost. Killed by the destructor.
class AgentProcess {
 public:
  // `flags` are added to the command line.
  AgentProcess(const std::string& program, const std::string& spool_path, int collector_port,
               const std::string& flags = "")
      : process_({"/bin/sh", "-c",
                  absl::StrCat("exec ", program, " --spool.path=", spool_path,
                               " --collector.address=127.0.0.1:", collector_port,
                               " --web.listen-address=127.0.0.1:0 ", flags, " 2>&1")}) {
    // …msg="pilotlight-agent 0.1.0 on node-1: HTTP on port 41235, …
    constexpr absl::string_view kPort = "HTTP on port ";
    while (http_port_ == 0) {
      const std::string line = process_.ReadLine();
      if (line.empty()) return;
      if (const size_t at = line.find(kPort.data()); at != std::string::npos) {
        http_port_ = std::atoi(line.c_str() + at + kPort.size());
      } else {
        output_ += line + "\n";
      }
    }
  }

  // Else output() says why not.
  bool running() const { return http_port_ != 0; }
  const std::string& output() const { return output_; }
  ChildProcess& process() { return process_; }

  // The sum of the metric's lines that contain `label`, such as reason="disk_full"; -1 when there is none.
  double Metric(const std::string& name, const std::string& label = "") const {
    const auto answer = HttpGet(absl::StrCat("http://127.0.0.1:", http_port_, "/metrics"), {}, StopSignal());
    if (!answer.ok()) return -1;
    double sum = -1;
    for (const absl::string_view line : absl::StrSplit(answer->body, '\n')) {
      const bool is_it = absl::StartsWith(line, name + " ") || absl::StartsWith(line, name + "{");
      if (!is_it || !absl::StrContains(line, label)) continue;
      double value = 0;
      if (absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum = (sum < 0 ? 0 : sum) + value;
    }
    return sum;
  }

 private:
  ChildProcess process_;
  int http_port_ = 0;
  std::string output_;
};

}  // namespace pilotlight
