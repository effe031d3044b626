#include "agent/agent.h"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/capture_sources.h"
#include "agent/capture/pprof/pprof_source.h"
#include "agent/pull/cpu_pull_source.h"
#include "agent/pull/pull_source.h"
#include "agent/targets/process_list.h"
#include "base/metrics.h"
#include "base/status_macros.h"
#include "base/version.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kFlushAtEnd = absl::Seconds(5);

CaptureLoopOptions MakeSchedule(const AgentOptions& agent, size_t sources, int cpus) {
  CaptureLoopOptions options = agent.schedule;
  options.max_overhead_cores = agent.max_overhead * cpus;
  options.interval = std::max(options.interval, options.capture.duration * static_cast<int64_t>(sources));
  return options;
}

std::unique_ptr<ContainerDirectory> MakeContainerDirectory(const RuntimeSockets& sockets) {
  std::unique_ptr<ContainerRuntime> runtime = MakeContainerRuntime(sockets);
  return runtime == nullptr ? nullptr : std::make_unique<ContainerDirectory>(std::move(runtime));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(const AgentOptions& options) {
  std::unique_ptr<Agent> agent(new Agent(options));
  RETURN_IF_ERROR(agent->OpenSources());
  RETURN_IF_ERROR(agent->OpenUplink());
  RETURN_IF_ERROR(agent->StartHttp());
  return agent;
}

Agent::Agent(const AgentOptions& options)
    : options_(options),
      cpus_(static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)))),
      containers_(MakeContainerDirectory(options.container_sockets)),
      labels_(containers_.get(), options.relabel_rules),
      symbolizer_({.binaries = {.debug_info_bytes = options.debug_info_bytes}}),
      builder_(processes_, symbolizer_, options.uplink.node),
      gc_pauses_([this](const Process& process) { return symbolizer_.GoData(process); }),
      node_watch_(cpus_),
      target_metrics_(options.metrics, registry_),
      symbol_metrics_(registry_),
      unwind_metrics_(registry_),
      uplink_metrics_(registry_),
      gc_unreadable_(AddCounters(registry_, "pilotlight_go_gc_unreadable_processes_total",
                                 "Go processes whose memory the agent may not read for their pauses.")),
      container_lookups_(AddCounters(registry_, "pilotlight_container_lookups_total",
                                     "Questions to the container runtime for the pods of processes.")),
      refusals_(registry_),
      http_server_({.listen_address = options.web_listen_address,
                    .threads = 2,
                    .web_config_file = options.web_config_file,
                    .on_refused = [this](absl::string_view reason) { refusals_.Refused("http", reason); }}) {
  AddBuildInfo(registry_, "pilotlight-agent");
  SetTotal(gc_unreadable_, {}, gc_pauses_.unreadable_processes());
  CountContainerLookups();
}

Agent::~Agent() { http_server_.Stop(); }

absl::Status Agent::OpenSources() {
  if (!options_.node_source.empty()) {
    absl::StatusOr<CaptureSourceChoice> choice =
        CreateCaptureSource(options_.node_source, CaptureScope::kNode, options_.off_cpu);
    if (choice.ok()) {
      if (!choice->passed_over.empty()) {
        spdlog::warn("capturing with {} instead: {}", std::string(choice->source->name()),
                     choice->passed_over);
      }
      off_cpu_ = choice->source->off_cpu();
      sources_.push_back(std::move(choice->source));
      watches_node_ = true;
    } else if (options_.node_source == "auto" && (options_.pull_cpu || !options_.pprof_targets.empty())) {
      spdlog::warn("only pprof endpoints are captured: {}", std::string(choice.status().message()));
    } else {
      return choice.status();
    }
  }
  if (options_.off_cpu && off_cpu_ == nullptr) {
    spdlog::warn("no off-CPU profiles: they need ebpf on Linux 5.15 or later");
  }
  if (!options_.pprof_targets.empty()) {
    ASSIGN_OR_RETURN(std::unique_ptr<PprofSource> pprof,
                     PprofSource::Create({.targets = options_.pprof_targets, .gc_pauses = !watches_node_}));
    sources_.push_back(std::move(pprof));
  }
  const bool pulls_cpu = options_.pull_cpu && !watches_node_;
  if (pulls_cpu || !options_.pull_kinds.empty()) go_endpoints_ = std::make_shared<GoEndpoints>();
  if (pulls_cpu) sources_.push_back(std::make_unique<CpuPullSource>(go_endpoints_));
  if (!options_.pull_kinds.empty()) {
    sources_.push_back(
        std::make_unique<PullSource>(PullOptions{.kinds = options_.pull_kinds}, go_endpoints_));
  }
  if (options_.time_stops) {
    absl::StatusOr<std::unique_ptr<StopTheWorldProbes>> stops = StopTheWorldProbes::Create();
    if (stops.ok()) {
      stops_ = *std::move(stops);
    } else {
      spdlog::warn("stops of the world are not timed: {}", std::string(stops.status().message()));
    }
  }
  std::vector<std::string> names;
  for (const CaptureSource* source : Sources()) names.emplace_back(source->name());
  capture_metrics_ = std::make_unique<CaptureMetrics>(names, cpus_, target_metrics_, registry_);
  return absl::OkStatus();
}

std::vector<CaptureSource*> Agent::Sources() const {
  std::vector<CaptureSource*> sources;
  for (const auto& source : sources_) sources.push_back(source.get());
  if (off_cpu_ != nullptr) sources.push_back(off_cpu_);
  return sources;
}

absl::Status Agent::OpenUplink() {
  ASSIGN_OR_RETURN(spool_, Spool::Open(options_.spool));
  UplinkOptions uplink = options_.uplink;
  uplink.on_command = [this](const v1::Command& command, CommandDone done) {
    command_handler_.Handle(command, std::move(done));
  };
  ASSIGN_OR_RETURN(uplink_, Uplink::Create(uplink, *spool_));
  return absl::OkStatus();
}

absl::Status Agent::StartHttp() {
  http_server_.Get("/metrics", [this](const HttpRequest&) {
    uplink_metrics_.Update(spool_->stats(), uplink_->stats());
    return RenderMetrics(registry_);
  });
  http_server_.Get("/-/healthy", [](const HttpRequest&) {
    HttpResponse response;
    response.body = "healthy\n";
    return response;
  });
  http_server_.Get("/-/ready", [this](const HttpRequest&) {
    HttpResponse response;
    response.status = ready_ ? 200 : 503;
    response.body = ready_ ? "ready\n" : "starting or stopping\n";
    return response;
  });
  http_server_.Get("/", [this](const HttpRequest&) {
    HttpResponse response;
    response.body = RenderStatusPage(CurrentStatus());
    return response;
  });
  return http_server_.Start();
}

void Agent::Run(const StopSignal& stop) {
  const CaptureLoopOptions schedule = MakeSchedule(options_, Sources().size(), cpus_);
  if (schedule.interval > options_.schedule.interval) {
    spdlog::warn("{} sources of {} do not fit in --capture.interval={}: each takes its turn every {}",
                 Sources().size(), absl::FormatDuration(schedule.capture.duration),
                 absl::FormatDuration(options_.schedule.interval), absl::FormatDuration(schedule.interval));
  }
  CaptureLoopParts parts{.processes = &processes_,
                         .builder = &builder_,
                         .spool = spool_.get(),
                         .observer = this,
                         .timer = &timer_,
                         .triggers = {&node_watch_, &window_watch_, &capture_requests_},
                         .overloaded = [this] { return node_watch_.overloaded(); }};
  if (stops_ != nullptr) parts.cpu_time = [this] { return ProcessCpuTime() + stops_->kernel_time(); };
  for (const auto& source : sources_) {
    parts.sources.push_back(source.get());
    ProcessObserver* observer =
        go_program_finders_.emplace_back(std::make_unique<GoProgramFinder>(processes_, processes_, *source))
            .get();
    if (source->unwind_maps() != nullptr) {
      unwind_tables_ = std::make_unique<UnwindTableKeeper>(*observer, processes_, *source);
      runtime_finder_ = std::make_unique<RuntimeFinder>(*unwind_tables_, processes_, *source);
      observer = runtime_finder_.get();
    }
    parts.process_observers.push_back(observer);
  }
  if (off_cpu_ != nullptr) {
    // It knows processes by the source that it is part of, the first one.
    parts.sources.push_back(off_cpu_);
    parts.process_observers.push_back(parts.process_observers.front());
  }
  uplink_->Start();
  if (unwind_tables_ != nullptr) {
    VisitProcesses(ListProcesses(), [this](const Process& process) {
      unwind_tables_->AddProcess(process);
      runtime_finder_->AddProcess(process);
    });
  }
  CaptureLoop loop(schedule, std::move(parts));
  ready_ = true;
  loop.Run(stop);
  ready_ = false;
  uplink_->Stop(kFlushAtEnd);
}

void Agent::OnTurn(const TurnReport& report) {
  capture_metrics_->OnTurn(report);
  if (report.outcome == WindowOutcome::kOk) {
    window_watch_.OnWindow(report.folded->window, *report.insights);
    const std::vector<std::shared_ptr<const Process>> go_processes = GoProcessesOf(*report.folded);
    ReadGcPauses(go_processes);
    for (const ToldGcPauses& told : *report.gc_pauses) {
      AddGcPauses(told.labels, told_gc_pauses_.Since(told.program, told.stats, absl::Now()));
    }
    if (go_endpoints_ != nullptr) {
      for (const auto& process : go_processes) {
        go_endpoints_->OnGoProcess(process, gc_pauses_.IsUnreadable(process->pid));
      }
      for (const pid_t pid : report.folded->dropped_processes) go_endpoints_->Forget(pid);
    }
  }
  symbolizer_.EndWindow();
  if (unwind_tables_ != nullptr) {
    unwind_tables_->EndWindow();
    unwind_metrics_.Update(unwind_tables_->stats());
  }
  symbol_metrics_.Update(symbolizer_.stats());
  CountContainerLookups();
  {
    MutexLock lock(mutex_);
    last_turn_ = {.source = std::string(report.source),
                  .outcome = std::string(OutcomeName(report.outcome)),
                  .end = absl::Now(),
                  .used_cores = report.used_cores};
    if (stops_ != nullptr) go_status_.timed_executables = stops_->size();
    go_status_.gc_pauses_from_pprof = told_gc_pauses_.size();
    go_status_.gc_pauses_from_memory = gc_pauses_.found_processes();
    go_status_.gc_pauses_unreadable = gc_pauses_.unreadable_processes();
    if (report.outcome == WindowOutcome::kOk) {
      last_turn_.samples = report.folded->samples;
      last_turn_.series = report.folded->window.series.size();
      for (const LostSamples& lost : *report.lost) last_turn_.lost_samples += lost.count;
    }
  }
}

std::vector<std::shared_ptr<const Process>> Agent::GoProcessesOf(const FoldedWindow& folded) {
  return watches_node_ || go_endpoints_ == nullptr ? folded.go_processes : go_processes_.Find();
}

void Agent::ReadGcPauses(const std::vector<std::shared_ptr<const Process>>& processes) {
  for (const auto& process : processes) {
    const std::optional<GcPauses> pauses = gc_pauses_.Read(*process, absl::Now());
    if (pauses.has_value()) AddGcPauses(process->labels, *pauses);
    if (stops_ == nullptr) continue;
    const std::optional<pl_stop_the_world> stops = stops_->Take(*process);
    if (stops.has_value()) target_metrics_.AddStops(process->labels, *stops);
  }
  if (stops_ != nullptr) stops_->EndWindow();
  gc_pauses_.EndWindow();
  SetTotal(gc_unreadable_, {}, gc_pauses_.unreadable_processes());
}

void Agent::AddGcPauses(const Labels& labels, const GcPauses& pauses) {
  target_metrics_.AddGcPauses(labels, pauses);
  const auto service = labels.find(std::string(kServiceLabel));
  if (pauses.pauses_ns.empty() || service == labels.end()) return;
  window_watch_.OnGcPause(service->second, absl::Nanoseconds(*std::ranges::max_element(pauses.pauses_ns)));
}

void Agent::CountContainerLookups() {
  if (containers_ == nullptr) return;
  for (const auto& [result, count] : containers_->lookups()) {
    SetTotal(container_lookups_, {{"result", result}}, count);
  }
}

AgentStatus Agent::CurrentStatus() {
  AgentStatus status;
  status.version = std::string(kVersion);
  status.node = options_.uplink.node;
  for (const CaptureSource* source : Sources()) status.sources.emplace_back(source->name());
  status.capture_duration = options_.schedule.capture.duration;
  status.capture_interval = options_.schedule.interval;
  status.frequency_hz = options_.schedule.capture.frequency_hz;
  status.collector = options_.uplink.collector;
  status.spool = spool_->stats();
  status.uplink = uplink_->stats();
  MutexLock lock(mutex_);
  status.last_turn = last_turn_;
  status.go = go_status_;
  if (go_endpoints_ != nullptr) status.go.pprof_endpoints = go_endpoints_->found();
  return status;
}

}  // namespace pilotlight::agent
