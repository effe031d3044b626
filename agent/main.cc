// pilotlight-agent: profiles all that runs on this node, a little of the time, all the time.
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/agent.h"
#include "agent/capture/pprof/pprof_target.h"
#include "agent/containers/container_runtimes.h"
#include "agent/labels/relabel_file.h"
#include "agent/pull/pull_source.h"
#include "base/client_access.h"
#include "base/flags.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/stop_signal.h"
#include "base/version.h"

namespace pilotlight::agent {
namespace {

struct Configuration {
  AgentOptions agent;
  std::vector<std::string> sources = {"auto"};
  std::vector<std::string> pprof_targets;
  std::vector<std::string> discover;
  int off_cpu_frequency_hz = 0;
  std::string container_endpoint{kAutoEndpoint};
  std::string relabel_file;
  uint64_t debug_info_bytes = 0;
  uint64_t spool_max_bytes = 0;
  LoggingFlags logging;
};

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return name;
}

constexpr absl::string_view kCpuKind = "cpu";

std::vector<std::string> DiscoverableKinds() {
  std::vector<std::string> kinds(std::begin(kPullKinds), std::end(kPullKinds));
  kinds.emplace_back(kCpuKind);
  return kinds;
}

void AddCaptureFlags(CLI::App& app, Configuration& configuration) {
  app.add_option("--capture.source", configuration.sources,
                 "auto (ebpf, or perf where that does not work), ebpf, perf, pprof; a comma-separated list")
      ->delimiter(',')
      ->check(CLI::IsMember({"auto", "ebpf", "perf", "pprof"}))
      ->capture_default_str();
  app.add_option("--pprof.target", configuration.pprof_targets,
                 "SERVICE=URL of a Go program's pprof endpoint, such as shop=http://localhost:6060; may be "
                 "repeated")
      ->type_name("SERVICE=URL");
  app.add_option("--pprof.discover", configuration.discover,
                 "Profiles to pull from the Go programs of this node that serve net/http/pprof, also on the "
                 "localhost of their pods: goroutine, heap, mutex, block; a comma-separated list; cpu too, "
                 "for where eBPF and perf do not work. "
                 "Needs "
                 "CAP_SYS_ADMIN for pods. A goroutine profile stops its program for a moment")
      ->delimiter(',')
      ->check(CLI::IsMember(DiscoverableKinds()))
      ->type_name("KIND,…");
  app.add_flag(
      "--gc.stop-the-world", configuration.agent.time_stops,
      "Times by uprobes how long Go's collectors take to stop their programs and how long they keep them "
      "stopped; Linux 6.6");
  CaptureLoopOptions& schedule = configuration.agent.schedule;
  AddDurationFlag(app, "--capture.duration", schedule.capture.duration, "Length of one capture");
  AddDurationFlag(app, "--capture.interval", schedule.interval, "From one capture's start to the next one's");
  app.add_option("--capture.frequency", schedule.capture.frequency_hz, "Samples a second of each CPU")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--capture.off-cpu-frequency", configuration.off_cpu_frequency_hz,
                 "Samples for each second that a thread is blocked, in captures of their own; 0 takes none. "
                 "Needs ebpf on Linux 5.15")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  AddDurationFlag(
      app, "--trigger.interval", schedule.extra.min_interval,
      "At least this long from one extra capture to the next: they are taken when the node's CPU use, "
      "the wait for a CPU, the share of runtime.mcall or a GC pause jumps up; 0s takes none");
  app.add_option(
         "--capture.max-overhead", configuration.agent.max_overhead,
         "Share of the node's CPU time that the agent may use in the mean; captures get cheaper as it "
         "runs out, and are skipped beyond it. 0 is no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void AddOtherFlags(CLI::App& app, Configuration& configuration) {
  AgentOptions& agent = configuration.agent;
  app.add_option("--collector.address", agent.uplink.collector, "HOST:PORT of the collector's gRPC")
      ->capture_default_str();
  ClientAccess& access = agent.uplink.access;
  app.add_option("--collector.tls.ca-file", access.tls.ca_file,
                 "Authorities of the collector's certificate in PEM; the stream is plain text without them")
      ->type_name("FILE");
  app.add_option("--collector.tls.cert-file", access.tls.cert_file, "Certificate of this agent")
      ->type_name("FILE");
  app.add_option("--collector.tls.key-file", access.tls.key_file, "Its key")->type_name("FILE");
  app.add_option("--collector.tls.server-name", access.server_name,
                 "Name in the collector's certificate, when the address has another one")
      ->type_name("NAME");
  app.add_option("--collector.token-file", access.token_file,
                 "File with the token for the collector; read again for each stream")
      ->type_name("FILE");
  app.add_option("--collector.tenant", access.tenant,
                 "Whose the profiles are, for a collector that takes the header X-Scope-OrgID")
      ->type_name("TENANT");
  app.add_option("--spool.path", agent.spool.directory,
                 "Directory for windows that the collector does not have yet")
      ->capture_default_str();
  AddSizeFlag(
      app, "--symbols.debug-info-bytes", configuration.debug_info_bytes,
      "Memory for debug information (DWARF), which has the inlined calls and lines of C, C++ and Rust; "
      "that of a binary with more is not read, and 0 reads none");
  AddSizeFlag(app, "--spool.max-bytes", configuration.spool_max_bytes,
              "Size of that directory; the oldest windows go first");
  app.add_option("--web.listen-address", agent.web_listen_address, "Address for /metrics and the status page")
      ->capture_default_str();
  app.add_option(
         "--web.config.file", agent.web_config_file,
         "TLS, users and headers of HTTP, as the Prometheus projects have them; read again when it changes")
      ->type_name("FILE");
  app.add_option("--node.name", agent.uplink.node, "Label \"node\" of the profiles")->capture_default_str();
  app.add_option("--container.runtime-endpoint", configuration.container_endpoint,
                 "Socket of containerd or CRI-O, which knows the pods of the containers, or docker:///PATH; "
                 "auto looks "
                 "where they put it by themselves, an empty one asks nobody")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option(
         "--labels.relabel-config", configuration.relabel_file,
         "YAML file with relabel_configs as Prometheus has them, for the labels of the profiles and for "
         "what is not to be profiled")
      ->type_name("FILE");
  app.add_option("--metrics.max-targets", agent.metrics.max_targets, "Targets that get metrics of their own")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddLoggingFlags(app, configuration.logging);
}

absl::Duration RandomPhase(absl::Duration interval) {
  std::random_device device;
  return std::uniform_real_distribution<double>(0, 1)(device) * interval;
}

// What the flags say together; the error is the user's.
absl::Status Validate(Configuration& configuration) {
  AgentOptions& agent = configuration.agent;
  bool pprof_wanted = false;
  agent.node_source.clear();
  for (const std::string& source : configuration.sources) {
    if (source == "pprof") {
      pprof_wanted = true;
    } else if (agent.node_source.empty() || agent.node_source == source) {
      agent.node_source = source;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("--capture.source: ", agent.node_source, " and ", source,
                                                     " see the same processes; choose one"));
    }
  }
  for (const std::string& text : configuration.pprof_targets) {
    absl::StatusOr<PprofTarget> target = ParsePprofTarget(text);
    if (!target.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--pprof.target: ", target.status().message()));
    }
    agent.pprof_targets.push_back(*std::move(target));
  }
  agent.pull_cpu = std::erase(configuration.discover, kCpuKind) > 0;
  agent.pull_kinds = configuration.discover;
  if (pprof_wanted && agent.pprof_targets.empty() && !agent.pull_cpu) {
    return absl::InvalidArgumentError(
        "--capture.source=pprof needs --pprof.target=SERVICE=URL or --pprof.discover=cpu");
  }
  agent.off_cpu = configuration.off_cpu_frequency_hz > 0;
  agent.schedule.capture.off_cpu_frequency_hz = configuration.off_cpu_frequency_hz;
  const CaptureLoopOptions& schedule = agent.schedule;
  if (schedule.capture.duration < absl::Milliseconds(100)) {
    return absl::InvalidArgumentError("--capture.duration must be at least 100ms");
  }
  if (schedule.capture.duration > schedule.interval) {
    return absl::InvalidArgumentError(
        absl::StrCat("--capture.duration=", absl::FormatDuration(schedule.capture.duration),
                     " is longer than --capture.interval=", absl::FormatDuration(schedule.interval)));
  }
  absl::StatusOr<RuntimeSockets> sockets = ParseRuntimeEndpoint(configuration.container_endpoint);
  if (!sockets.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--container.runtime-endpoint: ", sockets.status().message()));
  }
  agent.container_sockets = *std::move(sockets);
  if (!configuration.relabel_file.empty()) {
    ASSIGN_OR_RETURN(agent.relabel_rules, ReadRelabelFile(configuration.relabel_file));
  }
  RETURN_IF_ERROR(CheckClientAccess(agent.uplink.access, "--collector.tls.ca-file"));
  if (agent.uplink.node.empty()) return absl::InvalidArgumentError("--node.name must not be empty");
  agent.spool.max_bytes = configuration.spool_max_bytes;
  agent.debug_info_bytes = configuration.debug_info_bytes;
  agent.schedule.phase = RandomPhase(schedule.interval);
  return absl::OkStatus();
}

int Run(const AgentOptions& options) {
  StopSignal stop;
  StopOnTerminationSignals(stop);
  absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Create(options);
  if (!agent.ok()) {
    std::fprintf(stderr, "pilotlight-agent: %s\n", std::string(agent.status().message()).c_str());
    return kExitFailure;
  }
  spdlog::info("pilotlight-agent {} on {}: HTTP on port {}, collector {}", options.uplink.version,
               options.uplink.node, (*agent)->http_port(), options.uplink.collector);
  (*agent)->Run(stop);
  spdlog::info("stopped");
  return 0;
}

}  // namespace
}  // namespace pilotlight::agent

int main(int argc, char** argv) {     // NOLINT(bugprone-exception-escape)
  using namespace pilotlight;         // NOLINT(google-build-using-namespace)
  using namespace pilotlight::agent;  // NOLINT(google-build-using-namespace)
  // An arena per thread would hold on to memory that the others need.
  mallopt(M_ARENA_MAX, 1);

  Configuration configuration;
  configuration.agent.uplink.collector = "localhost:7171";
  configuration.agent.uplink.version = std::string(kVersion);
  configuration.agent.uplink.node = HostName();
  configuration.agent.spool.directory = "/var/lib/pilotlight-agent";
  configuration.spool_max_bytes = configuration.agent.spool.max_bytes;

  CLI::App app("Profiles all that runs on this node, a little of the time, all the time.",
               "pilotlight-agent");
  AddCaptureFlags(app, configuration);
  AddOtherFlags(app, configuration);
  if (const auto exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  if (const absl::Status status = Validate(configuration); !status.ok()) {
    std::fprintf(stderr, "pilotlight-agent: %s\nSee pilotlight-agent --help.\n",
                 std::string(status.message()).c_str());
    return kExitUsage;
  }
  SetUpLogging(configuration.logging);
  return Run(configuration.agent);
}
