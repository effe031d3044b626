#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agent/capture/capture_sources.h"
#include "agent/capture/pprof/pprof_source.h"
#include "base/flags.h"
#include "base/status_macros.h"
#include "cli/child_command.h"
#include "cli/commands.h"
#include "cli/help_formatter.h"
#include "cli/output.h"
#include "cli/profile_input.h"
#include "cli/query_flags.h"
#include "cli/record_report.h"
#include "cli/recorder.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "cli/top_view.h"
#include "exporters/format.h"
#include "profile/frame_filter.h"
#include "profile/stack_filter.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight record -- ./program --its-flag               a command and all that it starts, until it ends
  pilotlight record --pid 1234                            a running process, for 10 s
  pilotlight record --pid 1234 --for 30s --out flame.svg
  pilotlight record --url http://localhost:6060 --out cpu.pb.gz    a Go program that serves pprof
  pilotlight record --all --for 5s                        the whole machine
  pilotlight record --pid 1234 -o folded | grep mcall
  pilotlight record --pid 1234 --type off_cpu             what it waits for

Needs root, or CAP_BPF and CAP_PERFMON, for ebpf; perf can sample your own processes without (if
kernel.perf_event_paranoid is at most 2); --url needs nothing. With -o to standard output the command's
own output goes to standard error. Ctrl-C ends the recording and still writes it. The exit code is the
command's own.)";

constexpr absl::Duration kDefaultLength = absl::Seconds(10);

struct RecordFlags {
  std::vector<std::string> command;  // after "--"
  std::vector<std::string> misplaced;
  std::vector<pid_t> pids;
  std::string url;
  bool all = false;
  absl::Duration length;  // zero: not given
  int frequency_hz = 99;
  std::string source = "auto";
  std::string type = "cpu";
  std::string format;
  std::string out;
  std::string focus;
  std::string ignore;
  FrameFilterText frames;
  uint32_t limit = 20;
  bool cumulative = false;
};

absl::Status CheckFlags(const RecordFlags& flags) {
  if (!flags.misplaced.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("write the command after --: pilotlight record -- ",
                                                   absl::StrJoin(flags.misplaced, " ")));
  }
  const int subjects = (flags.command.empty() ? 0 : 1) + (flags.pids.empty() ? 0 : 1) +
                       (flags.url.empty() ? 0 : 1) + (flags.all ? 1 : 0);
  if (subjects != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(subjects == 0 ? "what shall be recorded? " : "only one at a time: ",
                     "give -- COMMAND, --pid, --url or --all"));
  }
  if (!flags.url.empty() && flags.source != "auto" && flags.source != "pprof") {
    return absl::InvalidArgumentError(
        absl::StrCat("--url asks the program itself, which is not --source ", flags.source));
  }
  if (flags.type == "off_cpu" && (!flags.url.empty() || flags.source == "perf")) {
    return absl::InvalidArgumentError("--type off_cpu is recorded by ebpf alone");
  }
  if (flags.url.empty() && flags.source == "pprof") {
    return absl::InvalidArgumentError("--source pprof needs the --url of a Go program");
  }
  return absl::OkStatus();
}

// What -o and --out say; nothing for the table of `top`, which is the default.
absl::StatusOr<std::optional<ProfileFormat>> ChooseRecordFormat(const RecordFlags& flags) {
  if (flags.format == "top" || (flags.format.empty() && (flags.out.empty() || flags.out == "-"))) {
    return std::optional<ProfileFormat>();
  }
  const absl::StatusOr<ProfileFormat> format = ChooseFormat(flags.format, flags.out, std::nullopt);
  if (!format.ok()) return format.status();
  return std::optional<ProfileFormat>(*format);
}

std::string SubjectText(const RecordFlags& flags) {
  if (!flags.url.empty()) return flags.url;
  if (flags.all) return "the whole machine";
  if (!flags.command.empty()) return flags.command.front();
  return absl::StrCat(flags.pids.size() == 1 ? "process " : "processes ", absl::StrJoin(flags.pids, ", "));
}

// SIGTERM and SIGHUP are meant for the command too; Ctrl-C reaches it through the terminal.
volatile std::sig_atomic_t signal_to_forward = 0;
StopSignal* stop_on_signal = nullptr;

void HandleSignal(int number) {
  if (stop_on_signal->stopped()) {
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  if (number != SIGINT) signal_to_forward = number;
  stop_on_signal->Stop();
}

void StopOnSignals(StopSignal& stop) {
  stop_on_signal = &stop;
  struct sigaction action {};
  action.sa_handler = HandleSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

// A line that is written over and over.
class ProgressLine {
 public:
  explicit ProgressLine(bool shown) : shown_(shown && IsTerminal(STDERR_FILENO)) {}
  ~ProgressLine() { Clear(); }
  void Show(absl::Duration elapsed, uint64_t samples) {
    if (!shown_) return;
    std::cerr << "\r\x1b[Krecording, " << absl::StrFormat("%.0fs", absl::ToDoubleSeconds(elapsed));
    if (samples > 0) std::cerr << ", " << FormatCount(static_cast<int64_t>(samples)) << " samples";
    std::cerr << " (Ctrl-C ends)" << std::flush;
    drawn_ = true;
  }
  void Clear() {
    if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
    drawn_ = false;
  }

 private:
  const bool shown_;
  bool drawn_ = false;
};

struct Source {
  std::unique_ptr<agent::CaptureSource> source;
  std::string passed_over;

  // What is to be run: `source` or a part of it.
  agent::CaptureSource& Runs(const RecordFlags& flags) const {
    return flags.type == "off_cpu" ? *source->off_cpu() : *source;
  }
};

absl::StatusOr<Source> OpenSource(const RecordFlags& flags) {
  if (!flags.url.empty()) {
    absl::StatusOr<agent::PprofTarget> target = agent::ParsePprofTarget(flags.url);
    if (!target.ok()) return target.status();
    absl::StatusOr<std::unique_ptr<agent::PprofSource>> pprof =
        agent::PprofSource::Create({.targets = {*std::move(target)}});
    if (!pprof.ok()) return pprof.status();
    return Source{*std::move(pprof), ""};
  }
  if (flags.type == "off_cpu") {
    absl::StatusOr<agent::CaptureSourceChoice> ebpf =
        agent::CreateCaptureSource("ebpf", agent::CaptureScope::kNode, /*off_cpu=*/true);
    if (!ebpf.ok()) return ebpf.status();
    // The log says why.
    if (ebpf->source->off_cpu() == nullptr)
      return absl::UnavailableError("off-CPU profiles do not work here");
    return Source{std::move(ebpf->source), ""};
  }
  absl::StatusOr<agent::CaptureSourceChoice> choice =
      agent::CreateCaptureSource(flags.source, agent::CaptureScope::kNode);
  if (choice.ok()) return Source{std::move(choice->source), std::move(choice->passed_over)};
  if (flags.all) return choice.status();
  absl::StatusOr<agent::CaptureSourceChoice> narrow =
      agent::CreateCaptureSource(flags.source, agent::CaptureScope::kProcesses);
  if (!narrow.ok()) return narrow.status();
  return Source{std::move(narrow->source), narrow->passed_over.empty()
                                               ? std::string(choice.status().message())
                                               : std::move(narrow->passed_over)};
}

absl::Status CheckProcesses(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    if (::kill(pid, 0) != 0 && errno == ESRCH)
      return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  }
  return absl::OkStatus();
}

// Renders and writes; the report goes to standard error.
absl::Status WriteRecording(const RecordFlags& flags, std::optional<ProfileFormat> format,
                            Recording recording, const Source& source) {
  Profile& profile = recording.profile;
  ASSIGN_OR_RETURN(const StackFilter filter, StackFilter::Create(flags.focus, flags.ignore));
  filter.Apply(profile.trie, profile.samples);
  if (profile.loss.frames == 0) CountFrames(profile);
  ASSIGN_OR_RETURN(const FrameFilter frame_filter, FrameFilter::Create(flags.frames));
  frame_filter.Apply(profile.trie, {&profile.samples});
  const std::string subject = SubjectText(flags);
  std::string bytes;
  if (format) {
    bytes = Render(profile, *format, /*max_nodes=*/0, {.subject = subject});
  } else {
    TopView view;
    view.subject = subject;
    view.order = flags.cumulative ? TopOrder::kCumulative : TopOrder::kFlat;
    view.filtered = !flags.focus.empty() || !flags.ignore.empty();
    view.answer = {BuildTop(profile, view.order, flags.limit), QualityOf(profile), profile.type};
    const bool to_stdout = flags.out.empty() || flags.out == "-";
    if (!profile.samples.empty()) {
      bytes = TopText(view, to_stdout ? TerminalWidth(STDOUT_FILENO) : kUnlimitedWidth,
                      to_stdout && UseColour(STDOUT_FILENO), absl::LocalTimeZone());
    }
  }
  if (absl::Status written = WriteOutput(bytes, flags.out); !written.ok()) return written;
  std::cerr << RecordReport(recording, {.out = flags.out,
                                        .source = std::string(source.Runs(flags).name()),
                                        .passed_over = source.passed_over,
                                        .has_head = !format.has_value()});
  return absl::OkStatus();
}

// The command's own end is the program's, unless the recording failed.
int FinishCommand(ChildCommand& child, const absl::Status& recorded) {
  constexpr absl::Duration kTick = absl::Milliseconds(20);
  constexpr int kQuietTicks = 50;
  for (int tick = 0; !child.HasEnded(); ++tick) {
    if (signal_to_forward != 0) child.Signal(signal_to_forward);
    signal_to_forward = 0;
    absl::SleepFor(kTick);
    if (tick == kQuietTicks)
      std::cerr << "pilotlight: the recording is done; waiting for the command to end\n";
  }
  const int exit_code = child.Wait();
  if (!recorded.ok()) return Fail(recorded);
  return exit_code;
}

int RunRecord(const CLI::App& command, const RecordFlags& flags) {
  if (const absl::Status status = CheckFlags(flags); !status.ok()) return FailUsage(command, status);
  const absl::StatusOr<std::optional<ProfileFormat>> format = ChooseRecordFormat(flags);
  if (!format.ok()) return FailUsage(command, format.status());
  if (*format) {
    if (const absl::Status fits = CheckFitsTerminal(**format, flags.out); !fits.ok())
      return FailUsage(command, fits);
  }
  for (const absl::Status& expressions : {StackFilter::Create(flags.focus, flags.ignore).status(),
                                          FrameFilter::Create(flags.frames).status()}) {
    if (!expressions.ok()) return FailUsage(command, expressions);
  }
  if (const absl::Status there = CheckProcesses(flags.pids); !there.ok()) return Fail(there);
  const absl::StatusOr<Source> source = OpenSource(flags);
  if (!source.ok()) return FailQuery(command, source.status());

  StopSignal stop;
  StopOnSignals(stop);
  std::optional<ChildCommand> child;
  RecordOptions options;
  options.frequency_hz = flags.frequency_hz;
  options.sort_out = source->source->name() == "ebpf";
  options.limit = flags.length;
  options.pids = flags.pids;
  if (flags.length == absl::ZeroDuration()) {
    options.limit = flags.command.empty() ? kDefaultLength : absl::InfiniteDuration();
  }
  RecordHooks hooks;
  if (!flags.command.empty()) {
    absl::StatusOr<ChildCommand> started =
        ChildCommand::Start(flags.command, /*output_to_errors=*/flags.out.empty() || flags.out == "-");
    if (!started.ok()) return Fail(started.status());
    child.emplace(*std::move(started));
    options.pids = {child->pid()};
    options.scope = WatchScope::kTree;
    hooks.on_started = [&child] { child->Release(); };
  } else if (flags.all) {
    options.scope = WatchScope::kNode;
  }
  // A command writes to the terminal itself.
  ProgressLine progress(!child.has_value());
  hooks.on_progress = [&](absl::Duration elapsed, uint64_t samples) {
    progress.Show(elapsed, samples);
    if (child) child->HasEnded();  // adopted orphans are to be taken
  };
  absl::StatusOr<Recording> recording = flags.url.empty() ? Record(source->Runs(flags), options, hooks, stop)
                                                          : RecordUrl(*source->source, options, hooks, stop);
  progress.Clear();
  if (child) {
    // Only where sampling did not begin it is still waiting.
    if (!recording.ok()) return Fail(recording.status());
    if (const absl::Status running = child->WaitUntilRunning(); !running.ok()) {
      Fail(running);
      return child->Wait();
    }
  }
  if (!recording.ok()) return Fail(recording.status());
  const absl::Status written = WriteRecording(flags, *format, *std::move(recording), *source);
  if (child) return FinishCommand(*child, written);
  return written.ok() ? 0 : Fail(written);
}

}  // namespace

void AddRecordCommand(CLI::App& app, std::vector<std::string> command_line, Run& run) {
  const auto flags = std::make_shared<RecordFlags>();
  flags->command = std::move(command_line);
  CLI::App* const command =
      app.add_subcommand("record", "Record here and now, without a collector: a command, a process, a URL");
  command->formatter(std::make_shared<HelpFormatter>(
      "Usage: pilotlight record [OPTIONS] (-- COMMAND ARGUMENTS… | --pid PID | --url URL | --all)"));
  command->footer(kExamples);
  command->add_option("COMMAND", flags->misplaced, "")->group("");
  command->add_option("--pid", flags->pids, "A running process; may be repeated")
      ->type_name("PID")
      ->check(CLI::PositiveNumber);
  command->add_option("--url", flags->url, "A Go program that serves net/http/pprof: http://host:6060")
      ->type_name("URL");
  command->add_flag("--all", flags->all, "The whole machine");
  AddDurationFlag(*command, "--for", flags->length, "How long [10s; a command until it ends]")
      ->default_str("");
  command
      ->add_option("--hz", flags->frequency_hz,
                   "Samples for each second of CPU time, or that a thread is blocked; --url has always 100")
      ->type_name("HZ")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--type", flags->type,
                   "cpu, or off_cpu: the time that threads are blocked, and why; by ebpf, Linux 5.15")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"cpu", "off_cpu"}))
      ->capture_default_str();
  command->add_option("--source", flags->source, "auto, ebpf, perf, or pprof with --url")
      ->type_name("SOURCE")
      ->check(CLI::IsMember({"auto", "ebpf", "perf", "pprof"}))
      ->capture_default_str();
  std::vector<std::string> formats = FormatNames();
  formats.insert(formats.begin(), "top");
  command
      ->add_option("-o,--output", flags->format,
                   "top, svg, folded, pprof, json, speedscope, cpuprofile or dot; top when nothing tells")
      ->check(CLI::IsMember(formats))
      ->type_name("FORMAT");
  command
      ->add_option("--out", flags->out,
                   "Write to this file instead of standard output; its suffix tells the format")
      ->type_name("FILE");
  AddStackFilterFlags(*command, flags->focus, flags->ignore);
  AddFrameFilterFlags(*command, flags->frames);
  command->add_flag("--cum", flags->cumulative, "For -o top: sort by the time with all callees");
  command->add_option("-n", flags->limit, "For -o top: how many functions, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunRecord(*command, *flags); }; });
}

}  // namespace pilotlight::cli
