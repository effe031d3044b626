#include "agent/capture/pprof/pprof_probe.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/targets/network_namespace.h"
#include "base/http_client.h"
#include "base/status_macros.h"
#include "base/stop_signal.h"

namespace pilotlight::agent {
namespace {

bool IsPprof(const ListeningPort& at) {
  const HttpGetOptions options = {.connect_timeout = absl::Milliseconds(500),
                                  .timeout = absl::Seconds(1),
                                  .max_body_bytes = size_t{64} << 10};
  const absl::StatusOr<HttpGetResult> answer =
      HttpGet(absl::StrCat("http://", at.host, ":", at.port, "/debug/pprof/__probe"), options, StopSignal());
  if (!answer.ok() || answer->status != 404) return false;
  const auto header = answer->headers.find("x-go-pprof");
  return header != answer->headers.end() && header->second == "1";
}

}  // namespace

absl::StatusOr<ListeningPort> FindPprofPort(pid_t pid, const std::string& proc_root) {
  const std::vector<ListeningPort> ports = ListeningPorts(pid, proc_root);
  std::optional<ListeningPort> found;
  RETURN_IF_ERROR(RunInNetworkOf(
      pid,
      [&] {
        for (size_t i = 0; i < ports.size() && !found.has_value(); ++i) {
          if (IsPprof(ports[i])) found = ports[i];
        }
      },
      proc_root));
  if (found.has_value()) return *std::move(found);
  return absl::NotFoundError(ports.empty()
                                 ? "it listens on no port"
                                 : absl::StrCat("none of its ", ports.size(), " ports serves pprof"));
}

}  // namespace pilotlight::agent
