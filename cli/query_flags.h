// The flags that say what to look at, the same in every command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/collector_client.h"

namespace pilotlight::cli {

struct QueryFlags {
  std::string collector = "localhost:7171";
  absl::Duration timeout = absl::Seconds(30);
  ClientAccess access;
  absl::Duration since = absl::Hours(1);
  std::string from;
  std::string to;
  std::string selector;
  std::string type;
  std::string focus;
  std::string ignore;
  FrameFilterText frames;
};

// -o table|json, and --json.
void AddTableFormatFlag(CLI::App& app, std::string& format);
// --collector, --timeout, and how to get access to it.
void AddCollectorFlags(CLI::App& app, QueryFlags& flags);
// Those and --since, --from, --to, --selector.
void AddQueryFlags(CLI::App& app, QueryFlags& flags);
void AddTypeFlag(CLI::App& app, QueryFlags& flags);
// --focus and --ignore: which stacks.
void AddStackFilterFlags(CLI::App& app, std::string& focus, std::string& ignore);
// --show, --hide and --prune-from: which of their frames.
void AddFrameFilterFlags(CLI::App& app, FrameFilterText& frames);

// What a diff compares with, beside what QueryFlags say.
struct BaseFlags {
  std::string selector;
  absl::Duration offset;  // zero: not given
  std::string from;
  std::string to;
};
// --base-selector, --base-offset, --base-from, --base-to.
void AddBaseFlags(CLI::App& app, BaseFlags& flags);
// `comparison` with what `flags` say in its place. When they name no time: the same time for another
// selector, or else the span of equal length right before. InvalidArgument also when nothing differs.
absl::StatusOr<Selection> ToBaseSelection(const Selection& comparison, const BaseFlags& flags, absl::Time now,
                                          absl::TimeZone zone);

// InvalidArgument when a time, or the span, makes no sense.
absl::StatusOr<Selection> ToSelection(const QueryFlags& flags, absl::Time now, absl::TimeZone zone);

// What people type for a selector: {a="b"} stays, a="b" gets its braces, a bare word names a service.
std::string CompleteSelector(absl::string_view typed);

// InvalidArgument unless host:port.
absl::Status CheckAddress(absl::string_view address);

// Says on standard error that a selection has nothing to show, and what to try.
void ExplainEmpty(const Selection& selection, const Quality& quality, absl::TimeZone zone);
// Likewise, that `subject` has no function that matches.
void ExplainNoFunction(absl::string_view subject, absl::string_view pattern);

}  // namespace pilotlight::cli
