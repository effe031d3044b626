#include <unistd.h>

#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/flags.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/query_flags.h"
#include "cli/terminal.h"
#include "cli/top_view.h"

namespace pilotlight::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pilotlight capture --node worker-3 --for 15s    see what that node does now
  pilotlight agents                               which nodes there are
  pilotlight flame -s '{node="worker-3", trigger="request"}' --since 5m --out now.svg

The agent takes the profile besides its own windows, for as long as its CPU budget allows; it is stored
like any other, with the label trigger="request".)";

// The agent may be in one of its own windows, and the profile takes a moment to be stored.
constexpr absl::Duration kPatience = absl::Seconds(75);
constexpr absl::Duration kPollInterval = absl::Milliseconds(300);
// The node's clock may be so far behind ours.
constexpr absl::Duration kClockSkew = absl::Seconds(5);

struct CaptureFlags {
  QueryFlags query;
  std::string node;
  absl::Duration length;
  uint32_t limit = 20;
  std::string format = "table";
};

absl::StatusOr<TopAnswer> AwaitWindow(CollectorClient& client, const Selection& selection,
                                      uint64_t windows_before, const CaptureFlags& flags) {
  const absl::Time deadline = absl::Now() + flags.length + kPatience;
  const bool progress = IsTerminal(STDERR_FILENO);
  const absl::Time began = absl::Now();
  while (absl::Now() < deadline) {
    absl::StatusOr<TopAnswer> answer =
        client.Top(selection, TopOrder::kFlat, flags.limit == 0 ? UINT32_MAX : flags.limit);
    const bool done = !answer.ok() || answer->quality.windows > windows_before;
    if (progress) {
      std::cerr << "\r\x1b[K";
      if (!done) {
        std::cerr << "capturing on " << flags.node << ", " << absl::ToInt64Seconds(absl::Now() - began)
                  << "s";
      }
      std::cerr << std::flush;
    }
    if (done) return answer;
    absl::SleepFor(kPollInterval);
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the agent of ", flags.node, " was asked, but no window has come within ",
                   absl::FormatDuration(flags.length + kPatience),
                   ": its CPU budget may be used up (pilotlight_capture_triggers_total{trigger=\"request\"} "
                   "on its /metrics)"));
}

int RunCapture(const CLI::App& command, const CaptureFlags& flags) {
  CollectorClient client(flags.query.collector, flags.query.timeout);
  const absl::Time now = absl::Now();
  const Selection selection{
      .selector = absl::StrCat("{node=\"", absl::Utf8SafeCEscape(flags.node), "\", trigger=\"request\"}"),
      .profile_type = "",
      .span = {now - kClockSkew, now + flags.length + kPatience + kClockSkew},
      .focus = "",
      .ignore = ""};
  const absl::StatusOr<TopAnswer> before = client.Top(selection, TopOrder::kFlat, 1);
  if (!before.ok()) return FailQuery(command, before.status());
  if (const absl::Status asked = client.Capture(flags.node, flags.length); !asked.ok()) {
    return FailQuery(command, asked);
  }
  absl::StatusOr<TopAnswer> answer = AwaitWindow(client, selection, before->quality.windows, flags);
  if (!answer.ok()) return FailQuery(command, answer.status());
  TopView view;
  view.subject = selection.selector;
  view.answer = *std::move(answer);
  const std::string text = flags.format == "json" ? TopJson(view)
                                                  : TopText(view, TerminalWidth(STDOUT_FILENO),
                                                            UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  const absl::Status written = WriteOutput(text, "-");
  return written.ok() ? 0 : Fail(written);
}

}  // namespace

void AddCaptureCommand(CLI::App& app, Run& run) {
  const auto flags = std::make_shared<CaptureFlags>();
  CLI::App* const command = app.add_subcommand("capture", "Ask a node's agent for a profile now");
  command->footer(kExamples);
  command->add_option("--node", flags->node, "The node, as pilotlight agents lists it")->required();
  AddDurationFlag(*command, "--for", flags->length, "How long, at most 1m [as the agent's windows]")
      ->default_str("");
  command->add_option("-n", flags->limit, "How many functions to show, 0 for all")
      ->type_name("COUNT")
      ->capture_default_str();
  AddCollectorFlags(*command, flags->query);
  command->add_option("-o,--output", flags->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunCapture(*command, *flags); }; });
}

}  // namespace pilotlight::cli
