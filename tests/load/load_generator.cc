// Drives a collector like a fleet of agents, over the real wire:
//   load_generator --collector=localhost:9095 --agents=20 --services=200 --length=24h
//   load_generator --collector=localhost:9095 --agents=10000 --length=5m --in-step
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/flags.h"
#include "tests/load/fleet.h"
#include "tests/load/process_usage.h"

namespace pilotlight::load {
namespace {

struct Settings {
  FleetOptions fleet;
  FleetConnection connection{.collector = "localhost:9095"};
  absl::Duration length = absl::Hours(24);
  absl::Duration age = absl::ZeroDuration();
  bool in_step = false;
  bool plain = false;
  ClientAccess access;
};

int Run(Settings& settings) {
  settings.fleet.start = absl::Now() - settings.age - settings.length;
  const auto windows = static_cast<uint64_t>(settings.length / settings.fleet.interval);
  if (settings.in_step) settings.fleet.scripted_windows = windows;
  settings.fleet.boot = absl::StrCat("boot-", absl::ToUnixMillis(absl::Now()));
  settings.connection.compress = !settings.plain;
  const absl::StatusOr<ClientSecrets> secrets = ReadClientAccess(settings.access);
  if (!secrets.ok()) {
    std::fprintf(stderr, "load_generator: %s\n", std::string(secrets.status().message()).c_str());
    return kExitFailure;
  }
  settings.connection.secrets = *secrets;
  RaiseFileLimit();
  const FleetWindows fleet_windows(settings.fleet);
  Fleet fleet(fleet_windows, settings.connection);

  const absl::Duration cpu_before = OwnCpu();
  const absl::Time begin = absl::Now();
  const absl::Status status =
      settings.in_step ? fleet.SendInStep(windows, settings.fleet.interval) : fleet.SendUpTo(windows);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  const auto profiles = static_cast<double>(std::max<uint64_t>(fleet.acknowledged_profiles(), 1));
  std::printf("%.0f profiles acknowledged in %.1f s: %.0f profiles/s, %.0f B each before compression\n",
              profiles, seconds, profiles / seconds, static_cast<double>(fleet.sent_bytes()) / profiles);
  std::printf("the generator's own CPU: %.1f µs per profile\n",
              absl::ToDoubleMicroseconds(OwnCpu() - cpu_before) / profiles);
  if (status.ok()) return 0;
  std::fprintf(stderr, "load_generator: %s\n", std::string(status.message()).c_str());
  return kExitFailure;
}

}  // namespace
}  // namespace pilotlight::load

int main(int argc, char** argv) {    // NOLINT(bugprone-exception-escape)
  using namespace pilotlight;        // NOLINT(google-build-using-namespace)
  using namespace pilotlight::load;  // NOLINT(google-build-using-namespace)
  Settings settings;
  FleetOptions& fleet = settings.fleet;
  CLI::App app("Drives a pilotlight-collector like a fleet of agents.", "load_generator");
  app.add_option("--collector", settings.connection.collector, "Its gRPC address")->capture_default_str();
  app.add_option("--agents", fleet.agents, "Agents, each with a connection")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--services", fleet.services, "Services in all")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--samples", fleet.samples, "Samples of a profile")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  app.add_option("--stacks", fleet.pool.stacks, "Stacks of the pool, weighted by Zipf's law")
      ->check(CLI::Range(1, 5000))
      ->capture_default_str();
  app.add_option("--min-depth", fleet.pool.min_depth, "Frames of a stack, at least")
      ->check(CLI::Range(4, 500))
      ->capture_default_str();
  app.add_option("--max-depth", fleet.pool.max_depth, "Frames of a stack, at most")
      ->check(CLI::Range(4, 500))
      ->capture_default_str();
  app.add_flag("--pool-per-service", fleet.pool_per_service, "Each service has stacks of its own");
  AddDurationFlag(app, "--interval", fleet.interval, "From window to window of an agent");
  AddDurationFlag(app, "--length", settings.length, "Of the history that is sent");
  AddDurationFlag(app, "--age", settings.age, "Of the history's end");
  app.add_option("--seed", fleet.seed, "The same seed sends the same profiles")->capture_default_str();
  app.add_flag("--in-step", settings.in_step,
               "Send each window at its own time, and names when they are new; else as fast as accepted");
  app.add_option("--max-in-flight", settings.connection.max_in_flight, "Unanswered windows of an agent")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--tls-ca-file", settings.access.tls.ca_file,
                 "Authorities of the collector's certificate; plain text without them");
  app.add_option("--token-file", settings.access.token_file, "File with the token for the collector");
  app.add_flag("--plain", settings.plain, "Do not compress");
  if (const auto exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  return Run(settings);
}
