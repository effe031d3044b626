// The collector's figures of docs/performance.md, each beside its goal: feeds a real pilotlight-collector
// with the windows of a fleet and asks it questions. Run it by `./dev bench collector`.
#include <httplib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/flags.h"
#include "tests/load/cardinality_attack.h"
#include "tests/load/figures.h"
#include "tests/load/fleet.h"
#include "tests/load/process_usage.h"
#include "tests/load/questions.h"
#include "tests/support/collector_process.h"

namespace pilotlight::load {
namespace {

constexpr double kMebibyte = 1 << 20;

struct Settings {
  FleetOptions fleet;
  int days = 1;
  int hours = 0;  // instead of days, when not 0
  int repeats = 21;
  size_t many_agents = 10'000;
  uint64_t many_agents_minutes = 5;
  uint64_t many_agents_dictionary_bytes = 64 << 10;
  std::vector<std::string> only;
  std::string program = PILOTLIGHT_BIN_DIR "/pilotlight-collector";
  // Questions are repeated to be measured, not to be answered from memory.
  std::string collector_flags = "--query.cache-bytes=0";

  absl::Duration history() const { return hours > 0 ? absl::Hours(hours) : absl::Hours(24) * days; }
  bool Runs(const std::string& part) const {
    return only.empty() || std::find(only.begin(), only.end(), part) != only.end();
  }
};

void ExitUnlessOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "collector_benchmark: %s\n", std::string(status.message()).c_str());
  std::exit(kExitFailure);
}

// A fresh one, with its store.
class Collector {
 public:
  Collector(const Settings& settings, const std::string& flags)
      : process_(settings.program, store_path(), absl::StrCat(flags, " ", settings.collector_flags)) {
    if (!process_.running()) {
      ExitUnlessOk(
          absl::UnavailableError(absl::StrCat("the collector did not start: ", process_.first_line())));
    }
  }

  int port() const { return process_.grpc_port(); }
  FleetConnection connection() const { return {.collector = absl::StrCat("127.0.0.1:", port())}; }
  absl::Duration Cpu() { return ProcessCpu(process_.process().pid()); }
  ProcessMemory Memory() { return MemoryOf(process_.process().pid()); }
  std::vector<std::string> Metrics(const std::string& name) const {
    const auto answer = httplib::Client("127.0.0.1", process_.http_port()).Get("/metrics");
    std::vector<std::string> lines;
    if (!answer) return lines;
    for (absl::string_view line : absl::StrSplit(answer->body, '\n')) {
      if (absl::StartsWith(line, name)) lines.emplace_back(line);
    }
    return lines;
  }
  uint64_t DiskBytes() const { return DirectoryBytes(store_path()); }

  // What it does behind the answers: flushes, compactions, folding of closed spans.
  void WaitUntilIdle() {
    constexpr absl::Duration kLook = absl::Seconds(16);  // it sums up every ten seconds, after five of quiet
    constexpr double kIdle = 0.03;                       // of a core
    constexpr int kPatience = 40;
    for (int i = 0; i < kPatience; ++i) {
      const absl::Duration before = Cpu();
      absl::SleepFor(kLook);
      if (absl::FDivDuration(Cpu() - before, kLook) < kIdle) return;
    }
    PrintNote("the collector did not come to rest within ten minutes");
  }

 private:
  std::string store_path() const { return directory_.path() + "/store"; }

  const TemporaryDirectory directory_;
  CollectorProcess process_;
};

// The history in two parts: the first alone, the second while questions about the first are answered.
void MeasureIngest(const Settings& settings, const FleetWindows& windows, absl::Time end,
                   Collector& collector) {
  const auto last = static_cast<uint64_t>(settings.history() / settings.fleet.interval);
  const uint64_t alone = last - last / 4;
  Fleet fleet(windows, collector.connection());
  const absl::Duration own_before = OwnCpu();

  absl::Duration cpu = collector.Cpu();
  absl::Time begin = absl::Now();
  ExitUnlessOk(fleet.SendUpTo(alone));
  cpu = collector.Cpu() - cpu;
  const auto first_profiles = static_cast<double>(fleet.acknowledged_profiles());
  const double alone_rate = first_profiles / absl::ToDoubleSeconds(absl::Now() - begin);
  const auto times = fleet.TakeAcknowledgementTimes();
  PrintFigure("CPU per ingested profile", absl::ToDoubleMicroseconds(cpu) / first_profiles, "µs", {50});
  const absl::Duration own = OwnCpu() - own_before;
  PrintFigure("RSS during ingest, at most", static_cast<double>(collector.Memory().max_rss_bytes) / kMebibyte,
              "MiB", {256});
  PrintNote(absl::StrFormat("%.0f profiles, %s/s without questions; acknowledged after p50 %s ms, p99 %s ms",
                            first_profiles, Rounded(alone_rate),
                            Rounded(absl::ToDoubleMilliseconds(Percentile(times, 0.5))),
                            Rounded(absl::ToDoubleMilliseconds(Percentile(times, 0.99)))));
  PrintNote(absl::StrFormat(
      "the generator, on the same cores: %.1f µs a profile, %.0f B a profile before compression",
      absl::ToDoubleMicroseconds(own) / first_profiles,
      static_cast<double>(fleet.sent_bytes()) / first_profiles));

  constexpr int kQuestionsPerSecond = 5;
  SteadyQuestions questions(collector.port(), end - settings.history() / 4, kQuestionsPerSecond);
  begin = absl::Now();
  ExitUnlessOk(fleet.SendUpTo(last));
  const double second_profiles = static_cast<double>(fleet.acknowledged_profiles()) - first_profiles;
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  const SteadyQuestions::Answers answers = questions.Stop();
  ExitUnlessOk(answers.status);
  PrintFigure("sustained ingest while answering 5 questions a second", second_profiles / seconds,
              "profiles/s", {20'000, /*at_least=*/true});
  if (!answers.times.empty()) {
    PrintNote(absl::StrFormat("%d answers, %.1f a second, p50 %s ms, p95 %s ms", answers.times.size(),
                              static_cast<double>(answers.times.size()) / seconds,
                              Rounded(absl::ToDoubleMilliseconds(Percentile(answers.times, 0.5))),
                              Rounded(absl::ToDoubleMilliseconds(Percentile(answers.times, 0.95)))));
  }
  collector.WaitUntilIdle();
  const double profiles = first_profiles + second_profiles;
  PrintFigure("bytes on disk per profile, all levels, names included",
              static_cast<double>(collector.DiskBytes()) / profiles, "B", {900});
}

class QueryFigures {
 public:
  QueryFigures(const Settings& settings, Collector& collector, absl::Time end)
      : settings_(settings), collector_(collector), questions_(collector.port(), end) {}

  void Run() {
    const std::string one = "{service=\"service-7\"}";
    FlameGraph("one service", one, absl::Minutes(15), 5);
    const double one_hour = FlameGraph("one service", one, absl::Hours(1), 10);
    const double one_day = FlameGraph("one service", one, absl::Hours(24), 10);
    const double one_month = FlameGraph("one service", one, absl::Hours(24) * 30, 30);
    const double all_hour = FlameGraph("all services", "{}", absl::Hours(1), 30);
    const double all_day = FlameGraph("all services", "{}", absl::Hours(24), 30);
    const double all_month = FlameGraph("all services", "{}", absl::Hours(24) * 30, 60);
    const absl::Duration series_span = std::min(settings_.history(), absl::Hours(24));
    // The second as the page's list of services asks.
    for (const int64_t minutes : {1, 30}) {
      Measure(
          absl::StrCat("series of CPU by service, all, ", Text(series_span), " in ", minutes, " min steps"),
          30, [&] { return questions_.CpuSeries(series_span, absl::Minutes(minutes)); });
    }
    PrintGrowth("one service", one_hour, one_day, one_month);
    PrintGrowth("all services", all_hour, all_day, all_month);
  }

 private:
  static std::string Text(absl::Duration span) {
    return span < absl::Hours(48) ? absl::FormatDuration(span) : absl::StrCat(span / absl::Hours(24), "d");
  }

  // The p50 in ms. A span that is longer than the history is left out, 0.
  double FlameGraph(const std::string& what, const std::string& selector, absl::Duration span,
                    double goal_ms) {
    const std::string name = absl::StrCat("flame graph, ", what, ", ", Text(span));
    if (span > settings_.history()) {
      PrintNote(name + ": not measured, the history is shorter");
      return 0;
    }
    const double p50 = Measure(name, goal_ms, [&] { return questions_.FlameGraph(selector, span); });
    PrintNote(absl::StrCat(questions_.samples(), " samples"));
    return p50;
  }

  double Measure(const std::string& name, double goal_ms, const std::function<absl::Status()>& question) {
    std::vector<absl::Duration> times;
    const absl::Duration cpu_before = collector_.Cpu();
    for (int i = 0; i < settings_.repeats; ++i) {
      const absl::Time begin = absl::Now();
      ExitUnlessOk(question());
      times.push_back(absl::Now() - begin);
    }
    const double p50 = absl::ToDoubleMilliseconds(Percentile(times, 0.5));
    PrintFigure(name + ", p50", p50, "ms", {goal_ms});
    PrintNote(absl::StrFormat(
        "p95 %s ms, %s ms of CPU each", Rounded(absl::ToDoubleMilliseconds(Percentile(times, 0.95))),
        Rounded(absl::ToDoubleMilliseconds(collector_.Cpu() - cpu_before) / settings_.repeats)));
    return p50;
  }

  static void PrintGrowth(const std::string& what, double hour, double day, double month) {
    if (month > 0) {
      PrintFigure(absl::StrCat("growth of cost from 1 h to 30 d, ", what), month / hour, "×", {2.5});
    } else if (day > 0) {
      PrintNote(absl::StrFormat("growth of cost from 1 h to 24 h, %s: %.1f ×", what, day / hour));
    }
  }

  const Settings& settings_;
  Collector& collector_;
  Questions questions_;
};

void MeasureHistory(const Settings& settings) {
  // Windows of the whole history are kept, so that all of it counts on disk.
  const int64_t hours = absl::ToInt64Hours(settings.history()) + 48;
  Collector collector(
      settings, absl::StrCat("--storage.retention.windows=", hours, "h ", "--storage.retention.ten-minutes=",
                             std::max<int64_t>(hours, int64_t{14} * 24), "h"));
  FleetOptions options = settings.fleet;
  const absl::Time end = absl::Now();
  options.start = end - settings.history();
  const FleetWindows windows(options);
  PrintNote(absl::StrFormat("%d agents, %d services, %s of history", options.agents, options.services,
                            absl::FormatDuration(settings.history())));
  MeasureIngest(settings, windows, end, collector);
  if (!settings.Runs("queries")) return;
  QueryFigures(settings, collector, end).Run();
  PrintNote(absl::StrFormat("RSS afterwards %.0f MiB, at most %.0f MiB",
                            static_cast<double>(collector.Memory().rss_bytes) / kMebibyte,
                            static_cast<double>(collector.Memory().max_rss_bytes) / kMebibyte));
}

// Each agent has a connection of its own and one profile a minute. In the first minute they connect, then it
// is measured.
void MeasureManyAgents(const Settings& settings) {
  RaiseFileLimit();  // the collector inherits it
  Collector collector(settings, absl::StrCat("--ingest.max-streams=", settings.many_agents + 10));
  const uint64_t idle_rss = collector.Memory().rss_bytes;
  FleetOptions options = settings.fleet;
  options.agents = settings.many_agents;
  options.start = absl::Now();
  options.scripted_windows = settings.many_agents_minutes + 1;
  options.scripted_dictionary_bytes = settings.many_agents_dictionary_bytes;
  const FleetWindows windows(options);
  Fleet fleet(windows, collector.connection());
  ExitUnlessOk(fleet.SendInStep(1, options.interval));
  PrintNote(absl::StrFormat("%d agents connected within %s: %s of CPU, RSS %.0f MiB", options.agents,
                            absl::FormatDuration(options.interval), absl::FormatDuration(collector.Cpu()),
                            static_cast<double>(collector.Memory().rss_bytes) / kMebibyte));
  fleet.TakeAcknowledgementTimes();

  const absl::Duration cpu_before = collector.Cpu();
  const absl::Duration own_before = OwnCpu();
  const uint64_t bytes_before = fleet.sent_bytes();
  const absl::Time begin = absl::Now();
  ExitUnlessOk(fleet.SendInStep(settings.many_agents_minutes + 1, options.interval));
  const absl::Duration passed = absl::Now() - begin;
  const std::string name = absl::StrCat(options.agents, " agents, one window each per minute");
  PrintFigure(name + ", CPU", absl::FDivDuration(collector.Cpu() - cpu_before, passed), "cores", {1});
  const ProcessMemory memory = collector.Memory();
  PrintFigure(name + ", RSS, at most", static_cast<double>(memory.max_rss_bytes) / kMebibyte, "MiB", {1024});
  const auto times = fleet.TakeAcknowledgementTimes();
  PrintNote(absl::StrFormat(
      "%.0f kB of RSS for each agent; acknowledged after p50 %s ms, p99 %s ms",
      static_cast<double>(memory.rss_bytes - idle_rss) / 1000 / static_cast<double>(options.agents),
      Rounded(absl::ToDoubleMilliseconds(Percentile(times, 0.5))),
      Rounded(absl::ToDoubleMilliseconds(Percentile(times, 0.99)))));
  PrintNote(absl::StrFormat(
      "%d B a window before compression; the collector can spare %d kB for each one's names",
      (fleet.sent_bytes() - bytes_before) / times.size(), fleet.max_dictionary_bytes() / 1000));
  PrintNote(absl::StrFormat("the simulator, on the same cores: %.2f cores",
                            absl::FDivDuration(OwnCpu() - own_before, passed)));
}

// What a flood of names from one service costs the others.
void MeasureAttack(const Settings& settings) {
  Collector collector(settings, "");
  FleetOptions options = settings.fleet;
  const absl::Time end = absl::Now();
  options.start = end - absl::Hours(3);
  const FleetWindows windows(options);
  Fleet fleet(windows, collector.connection());
  ExitUnlessOk(fleet.SendUpTo(static_cast<uint64_t>(absl::Hours(3) / options.interval)));
  collector.WaitUntilIdle();
  Questions questions(collector.port(), end);
  const auto ask = [&](std::vector<absl::Duration>& times) {
    const absl::Time begin = absl::Now();
    ExitUnlessOk(questions.FlameGraph("{service=\"service-7\"}", absl::Hours(1)));
    times.push_back(absl::Now() - begin);
  };
  std::vector<absl::Duration> before;
  for (int i = 0; i < settings.repeats; ++i) ask(before);

  const CardinalityAttack attack{.start = end - absl::Hours(12)};
  std::atomic<bool> is_over{false};
  absl::Status status;
  std::thread attacker([&] {
    status = Attack(collector.port(), attack);
    is_over = true;
  });
  std::vector<absl::Duration> meanwhile;
  while (!is_over) {
    ask(meanwhile);
    absl::SleepFor(absl::Milliseconds(200));
  }
  attacker.join();
  ExitUnlessOk(status);
  const double p50_before = absl::ToDoubleMilliseconds(Percentile(before, 0.5));
  const double p50_meanwhile = absl::ToDoubleMilliseconds(Percentile(meanwhile, 0.5));
  const std::string name =
      absl::StrFormat("%d stacks and %d label sets of one service", attack.stacks, attack.label_sets);
  PrintNote(name);
  PrintFigure("flame graph of another service meanwhile, p50", p50_meanwhile / p50_before, "×", {2});
  PrintNote(absl::StrFormat("%s ms before, %s ms meanwhile, p95 %s ms", Rounded(p50_before),
                            Rounded(p50_meanwhile),
                            Rounded(absl::ToDoubleMilliseconds(Percentile(meanwhile, 0.95)))));
  PrintFigure("RSS, at most", static_cast<double>(collector.Memory().max_rss_bytes) / kMebibyte, "MiB",
              {512});
  for (const std::string& line : collector.Metrics("pilotlight_store_overflow_samples_total"))
    PrintNote(line);
}

void Run(const Settings& settings) {
  if (settings.Runs("ingest") || settings.Runs("queries")) MeasureHistory(settings);
  if (settings.Runs("agents")) MeasureManyAgents(settings);
  if (settings.Runs("attack")) MeasureAttack(settings);
}

}  // namespace
}  // namespace pilotlight::load

int main(int argc, char** argv) {    // NOLINT(bugprone-exception-escape)
  using namespace pilotlight;        // NOLINT(google-build-using-namespace)
  using namespace pilotlight::load;  // NOLINT(google-build-using-namespace)
  Settings settings;
  CLI::App app("Measures pilotlight-collector.", "collector_benchmark");
  app.add_option("--only", settings.only, "Parts to run: ingest, queries (needs ingest), agents, attack")
      ->check(CLI::IsMember({"ingest", "queries", "agents", "attack"}))
      ->delimiter(',');
  app.add_option("--days", settings.days, "Length of the history; 30 for all figures")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--hours", settings.hours, "Length of a short history, instead of --days");
  app.add_option("--services", settings.fleet.services, "Services, with one profile a minute each")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--pool-per-service", settings.fleet.pool_per_service, "Each service has stacks of its own");
  app.add_option("--repeats", settings.repeats, "How often each question is asked")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--agents", settings.many_agents, "Agents of the part \"agents\"")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--minutes", settings.many_agents_minutes, "How long the part \"agents\" is measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddSizeFlag(app, "--agents-dictionary-bytes", settings.many_agents_dictionary_bytes,
              "The memory that they ask the collector to keep for their names; 0 is no limit");
  app.add_option("--program", settings.program, "The collector")->capture_default_str();
  app.add_option("--collector-flags", settings.collector_flags, "More flags for it")->capture_default_str();
  if (const auto exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  Run(settings);
  return 0;
}
