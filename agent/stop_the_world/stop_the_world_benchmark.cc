// What the probes cost a Go program: at one stop of the world, and a program that makes garbage all the time.
// With and without them, by turns, in one process.
#include <benchmark/benchmark.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/stop_the_world/stop_the_world_probes.h"
#include "base/check.h"
#include "tests/support/child_process.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kSlice = absl::Milliseconds(500);

class Garbage {
 public:
  Garbage() : program_({PILOTLIGHT_GARBAGE}) { program_.ReadLine(); }

  int64_t Ask(const std::string& command, absl::string_view answer) {
    program_.WriteLine(command);
    const std::string line = program_.ReadLine();
    absl::string_view rest = line;
    int64_t value = 0;
    CHECK(absl::ConsumePrefix(&rest, answer) && absl::SimpleAtoi(rest.substr(0, rest.find(' ')), &value));
    return value;
  }

  std::unique_ptr<StopTheWorldProbes> Probe() const {
    auto probes = StopTheWorldProbes::Create();
    CHECK(probes.ok());
    Process process;
    process.pid = program_.pid();
    (*probes)->Take(process);
    CHECK((*probes)->size() == 1);
    return *std::move(probes);
  }

  absl::Duration cpu_time() const {
    clockid_t clock;
    timespec time;
    CHECK(clock_getcpuclockid(program_.pid(), &clock) == 0 && clock_gettime(clock, &time) == 0);
    return absl::DurationFromTimespec(time);
  }

 private:
  ChildProcess program_;
};

// The mean of what `compare` gives for pairs (without, with), the standard error of the mean, and both
// medians.
void Report(benchmark::State& state, Garbage& garbage, const std::function<double()>& measure,
            const std::function<double(double without, double with)>& compare) {
  std::vector<double> without;
  std::vector<double> with;
  absl::Duration accounted;
  absl::Duration probed;
  const auto measure_with = [&] {
    const std::unique_ptr<StopTheWorldProbes> probes = garbage.Probe();
    const absl::Time start = absl::Now();
    with.push_back(measure());
    probed += absl::Now() - start;
    accounted += probes->kernel_time();
  };
  const auto measure_without = [&] { without.push_back(measure()); };
  bool probes_first = false;
  for (auto _ : state) {
    if (probes_first) measure_with();
    measure_without();
    if (!probes_first) measure_with();
    probes_first = !probes_first;
  }
  const auto pairs = static_cast<double>(with.size());
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < with.size(); ++i) {
    const double difference = compare(without[i], with[i]);
    sum += difference;
    squares += difference * difference;
  }
  const double mean = sum / pairs;
  const auto median = [](std::vector<double>& values) {
    std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
    return values[values.size() / 2];
  };
  state.counters["without"] = median(without);
  state.counters["with"] = median(with);
  state.counters["difference"] = mean;
  state.counters["standard_error"] = std::sqrt(std::max(0.0, squares / pairs - mean * mean) / pairs);
  state.counters["agent_says_percent"] = absl::FDivDuration(accounted, probed) * 100;
}

// Nanoseconds of one stop, of which the program does a thousand.
void BM_Stop(benchmark::State& state) {
  Garbage garbage;
  Report(
      state, garbage, [&] { return static_cast<double>(garbage.Ask("stop", "ns=")); },
      [](double without, double with) { return with - without; });
}
BENCHMARK(BM_Stop)->Iterations(200)->Unit(benchmark::kMillisecond);

// Rounds in a second of CPU time; how many percent fewer.
void BM_MakeGarbage(benchmark::State& state) {
  Garbage garbage;
  garbage.Ask("allocate", "cycles=");
  const auto throughput = [&] {
    const int64_t rounds = garbage.Ask("rounds", "rounds=");
    const absl::Duration cpu_time = garbage.cpu_time();
    absl::SleepFor(kSlice);
    const absl::Duration used = garbage.cpu_time() - cpu_time;
    return static_cast<double>(garbage.Ask("rounds", "rounds=") - rounds) / absl::ToDoubleSeconds(used);
  };
  Report(state, garbage, throughput,
         [](double without, double with) { return std::log(without / with) * 100; });
}
BENCHMARK(BM_MakeGarbage)->Iterations(100)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pilotlight::agent
