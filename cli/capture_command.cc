#include <unistd.h>

#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/flags.h"
#include "cli/commands.h"
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

// The agent may first have to end a window of its own.
constexpr absl::Duration kLongestWindow = absl::Minutes(1);
// A window that was taken reaches the store within moments, unless the collector has no room.
constexpr absl::Duration kDeliveryTime = absl::Seconds(20);
constexpr absl::Duration kPollInterval = absl::Milliseconds(200);

struct CaptureFlags {
  QueryFlags query;
  std::string node;
  absl::Duration length;
  uint32_t limit = 20;
  std::string format = "table";
};

// Shows on a terminal that time passes, until `work` has its result.
template <typename Result>
Result WithProgress(const std::string& what, const std::function<Result()>& work) {
  std::future<Result> result = std::async(std::launch::async, work);
  if (!IsTerminal(STDERR_FILENO)) return result.get();
  const absl::Time began = absl::Now();
  while (result.wait_for(absl::ToChronoMilliseconds(kPollInterval)) != std::future_status::ready) {
    std::cerr << "\r\x1b[K" << what << ", " << absl::ToInt64Seconds(absl::Now() - began) << "s" << std::flush;
  }
  std::cerr << "\r\x1b[K" << std::flush;
  return result.get();
}

// The profile of the captured window, once it is stored.
absl::StatusOr<TopAnswer> AwaitWindow(CollectorClient& client, const Selection& selection, uint32_t limit) {
  const absl::Time deadline = absl::Now() + kDeliveryTime;
  while (absl::Now() < deadline) {
    absl::StatusOr<TopAnswer> answer = client.Top(selection, TopOrder::kFlat, limit);
    if (!answer.ok() || answer->quality.windows > 0) return answer;
    absl::SleepFor(kPollInterval);
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the agent has taken the profile, but the collector has not stored it within ",
                   absl::FormatDuration(kDeliveryTime), ": see pilotlight_uplink_* on the agent's /metrics"));
}

int RunCapture(const CLI::App& command, const CaptureFlags& flags) {
  CollectorClient agents(flags.query.collector, flags.query.timeout + kLongestWindow + flags.length,
                         flags.query.access);
  const absl::StatusOr<CapturedWindow> window = WithProgress<absl::StatusOr<CapturedWindow>>(
      absl::StrCat("capturing on ", flags.node), [&] { return agents.Capture(flags.node, flags.length); });
  if (!window.ok()) return FailQuery(command, window.status());
  if (window->samples == 0) {
    std::cerr << "Nothing ran on " << flags.node << " for "
              << absl::FormatDuration(window->span.end - window->span.start) << ": there is no sample.\n";
  }
  TopView view;
  view.subject = absl::StrCat("{node=\"", absl::Utf8SafeCEscape(flags.node), "\", trigger=\"request\"}");
  view.span = window->span;
  if (window->samples > 0) {
    const Selection selection{
        .selector = view.subject, .profile_type = "", .span = window->span, .focus = "", .ignore = ""};
    CollectorClient queries(flags.query.collector, flags.query.timeout, flags.query.access);
    absl::StatusOr<TopAnswer> answer =
        AwaitWindow(queries, selection, flags.limit == 0 ? UINT32_MAX : flags.limit);
    if (!answer.ok()) return FailQuery(command, answer.status());
    view.answer = *std::move(answer);
  }
  const std::string text = flags.format == "json" ? TopJson(view)
                                                  : TopText(view, TerminalWidth(STDOUT_FILENO),
                                                            UseColour(STDOUT_FILENO), absl::LocalTimeZone());
  return WriteOrFail(text);
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
  AddTableFormatFlag(*command, flags->format);
  command->callback(
      [command, flags, &run] { run = [command, flags] { return RunCapture(*command, *flags); }; });
}

}  // namespace pilotlight::cli
