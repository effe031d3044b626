#include "cli/query_flags.h"

#include <iostream>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/flags.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"

namespace pilotlight::cli {

void AddQueryFlags(CLI::App& app, QueryFlags& flags) {
  app.add_option(
         "-s,--selector", flags.selector,
         "Label matchers as in PromQL, {service_name=\"checkout\", pod=~\"a.*\"}; a bare word names a "
         "service")
      ->type_name("SELECTOR");
  CLI::Option* const since = AddDurationFlag(app, "--since", flags.since, "Length of the span of time");
  app.add_option("--from", flags.from, "Start: -2h, now-2h, 2024-05-01T12:00:00Z, Unix seconds")
      ->type_name("TIME")
      ->excludes(since);
  app.add_option("--to", flags.to, "End, in the same forms; now when not given")->type_name("TIME");
  AddCollectorFlags(app, flags);
}

void AddTableFormatFlag(CLI::App& app, std::string& format) {
  app.add_option("-o,--output", format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_flag_callback(
      "--json", [&format] { format = "json"; }, "As -o json");
}

void AddCollectorFlags(CLI::App& app, QueryFlags& flags) {
  app.add_option("--collector", flags.collector, "The collector's gRPC address")
      ->type_name("HOST:PORT")
      ->envname("PILOTLIGHT_COLLECTOR")
      ->capture_default_str();
  AddDurationFlag(app, "--timeout", flags.timeout, "Give up on the collector after this long");
  CLI::Option* const ca =
      app.add_option("--tls-ca-file", flags.access.tls.ca_file,
                     "Authorities of the collector's certificate; plain text without them")
          ->type_name("FILE")
          ->envname("PILOTLIGHT_TLS_CA_FILE");
  CLI::Option* const key =
      app.add_option("--tls-key-file", flags.access.tls.key_file, "Key of --tls-cert-file")
          ->type_name("FILE")
          ->envname("PILOTLIGHT_TLS_KEY_FILE");
  app.add_option("--tls-cert-file", flags.access.tls.cert_file, "Certificate to show to the collector")
      ->type_name("FILE")
      ->envname("PILOTLIGHT_TLS_CERT_FILE")
      ->needs(key)
      ->needs(ca);
  app.add_option("--token-file", flags.access.token_file, "File with the token for the collector")
      ->type_name("FILE")
      ->envname("PILOTLIGHT_TOKEN_FILE");
  app.add_option("--tenant", flags.access.tenant,
                 "Whose profiles, for a collector that takes the header X-Scope-OrgID")
      ->check([](const std::string& name) { return std::string(CheckTenantName(name).message()); }, "")
      ->type_name("TENANT")
      ->envname("PILOTLIGHT_TENANT");
  app.add_option("--tls-server-name", flags.access.server_name, "Name in the collector's certificate")
      ->type_name("NAME")
      ->envname("PILOTLIGHT_TLS_SERVER_NAME")
      ->needs(ca);
}

void AddTypeFlag(CLI::App& app, QueryFlags& flags) {
  app.add_option("--type", flags.type,
                 "Profile type, CPU time when not given; `pilotlight labels __profile_type__` lists them")
      ->type_name("TYPE");
}

void AddStackFilterFlags(CLI::App& app, std::string& focus, std::string& ignore) {
  app.add_option("--focus", focus, "Keep only stacks with a function that matches this RE2 expression")
      ->type_name("REGEX");
  app.add_option("--ignore", ignore, "Drop stacks with a function that matches")->type_name("REGEX");
}

void AddFrameFilterFlags(CLI::App& app, FrameFilterText& frames) {
  app.add_option("--show", frames.show, "Of the stacks, show only the functions that match")
      ->type_name("REGEX");
  app.add_option("--hide", frames.hide, "Leave functions that match out of the stacks")->type_name("REGEX");
  app.add_option("--prune-from", frames.prune_from,
                 "Leave out what a function that matches calls: its time becomes the function's own")
      ->type_name("REGEX");
}

void AddBaseFlags(CLI::App& app, BaseFlags& flags) {
  app.add_option("--base-selector", flags.selector, "Compare with these labels instead, at the same time")
      ->type_name("SELECTOR");
  CLI::Option* const offset =
      AddDurationFlag(app, "--base-offset", flags.offset, "Compare with so long before: 1d, 7d")
          ->default_str("");
  for (const auto& [name, target, help] :
       {std::tuple("--base-from", &flags.from, "Compare with the span from here, as long as the other"),
        std::tuple("--base-to", &flags.to, "Its end, when it is not as long")}) {
    app.add_option(name, *target, help)->type_name("TIME")->excludes(offset);
  }
}

absl::StatusOr<Selection> ToBaseSelection(const Selection& comparison, const BaseFlags& flags, absl::Time now,
                                          absl::TimeZone zone) {
  Selection base = comparison;
  if (!flags.selector.empty()) base.selector = CompleteSelector(flags.selector);
  const absl::Duration length = comparison.span.end - comparison.span.start;
  if (!flags.from.empty() && flags.to.empty()) {
    ASSIGN_OR_RETURN(base.span.start, ParseLocalTimeText(flags.from, now, zone));
    base.span.end = base.span.start + length;
  } else if (!flags.to.empty()) {
    ASSIGN_OR_RETURN(base.span, ResolveSpan(length, flags.from, flags.to, now, zone));
  } else {
    const bool other_labels = !flags.selector.empty();
    const absl::Duration offset =
        flags.offset != absl::ZeroDuration() || other_labels ? flags.offset : length;
    base.span = {comparison.span.start - offset, comparison.span.end - offset};
  }
  if (base.selector == comparison.selector && base.span.start == comparison.span.start &&
      base.span.end == comparison.span.end) {
    return absl::InvalidArgumentError("base and comparison are the same: nothing to compare");
  }
  return base;
}

std::string CompleteSelector(absl::string_view typed) {
  const absl::string_view text = absl::StripAsciiWhitespace(typed);
  if (text.empty() || absl::StartsWith(text, "{")) return std::string(text);
  if (text.find_first_of("=\"{}") != absl::string_view::npos) return absl::StrCat("{", text, "}");
  return absl::StrCat("{service_name=\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}}), "\"}");
}

absl::Status CheckAddress(absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (absl::StrContains(address, "://") || colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--collector \"", address, "\" is not HOST:PORT; the gRPC port is 7171"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Selection> ToSelection(const QueryFlags& flags, absl::Time now, absl::TimeZone zone) {
  RETURN_IF_ERROR(CheckAddress(flags.collector));
  Selection selection;
  ASSIGN_OR_RETURN(selection.span, ResolveSpan(flags.since, flags.from, flags.to, now, zone));
  selection.selector = CompleteSelector(flags.selector);
  selection.profile_type = flags.type;
  selection.focus = flags.focus;
  selection.ignore = flags.ignore;
  selection.frames = flags.frames;
  return selection;
}

void ExplainEmpty(const Selection& selection, const Quality& quality, absl::TimeZone zone) {
  const std::string subject = selection.selector.empty() ? "{}" : selection.selector;
  if (quality.windows > 0 && !(selection.focus.empty() && selection.ignore.empty())) {
    std::cerr << "No stack of " << subject << " passes --focus and --ignore, "
              << SpanText(selection.span, zone) << ".\n";
    return;
  }
  std::cerr << "Nothing was recorded for " << subject << ", " << SpanText(selection.span, zone) << ".\n"
            << "Which services there are: pilotlight labels service_name\n"
            << "A longer span:            --since 24h\n";
}

void ExplainNoFunction(absl::string_view subject, absl::string_view pattern) {
  std::cerr << "No function of " << subject << " matches \"" << pattern << "\".\n"
            << "Which functions there are: pilotlight top -n 0\n";
}

}  // namespace pilotlight::cli
