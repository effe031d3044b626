#include "collector/api/pages.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "collector/api/http_selection.h"
#include "exporters/format.h"

namespace pilotlight::collector {
namespace {

constexpr absl::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --bar: #e8590c66; --dim: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h1 small { font-weight: normal; color: var(--dim); font-size: .9rem; }
nav { margin: .5rem 0 1.5rem; } nav a, nav b { margin-right: .8rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.bar { background: var(--bar); height: .6rem; min-width: 1px; border-radius: 2px; margin-top: .45rem; }
p, footer { color: var(--dim); } footer { margin-top: 2rem; font-size: .9em; }
)";

std::string Page(absl::string_view title, absl::string_view body) {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>",
      HtmlEscape(title), "</title><style>", kStyle, "</style></head>\n<body>\n", body, "</body></html>\n");
}

std::string UtcTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string Link(absl::string_view path, const SelectionText& text, absl::string_view name) {
  return absl::StrCat("<a href=\"", HtmlEscape(absl::StrCat(path, SelectionQuery(text))), "\">", name,
                      "</a>");
}

std::string CpuTime(double seconds) { return FormatTimeSpan(absl::Seconds(seconds)); }

std::string ServiceRowHtml(const ServiceRow& row, double largest, const TimeSpan& span) {
  SelectionText text;
  text.selector = EqualitySelector(kServiceLabel, row.service);
  text.start = span.start;
  text.end = span.end;
  const double watched = absl::ToDoubleSeconds(span.end - span.start);
  return absl::StrCat(
      "<tr><td class=\"name\">", HtmlEscape(row.service), "</td><td class=\"n\">", CpuTime(row.cpu_seconds),
      "</td><td class=\"n\">", absl::StrFormat("%.3g", row.cpu_seconds / watched), "</td><td class=\"n\">",
      FormatCount(static_cast<int64_t>(row.samples)),
      "</td><td style=\"width:25%\"><div class=\"bar\" style=\"width:",
      absl::StrFormat("%.1f", largest > 0 ? 100 * row.cpu_seconds / largest : 0), "%\"></div></td><td>",
      Link("/top", text, "top"), " · ", Link("/flamegraph.svg", text, "flame graph"), " · ",
      Link("/debug/pprof/merge", text, "pprof"), "</td></tr>\n");
}

}  // namespace

const std::vector<std::string>& IndexSpans() {
  static const auto& spans = *new std::vector<std::string>{"15m", "1h", "6h", "24h", "7d"};
  return spans;
}

std::string RenderIndex(const IndexPage& page) {
  std::string body = "<h1>pilotlight <small>continuous profiles</small></h1>\n<nav>";
  for (const std::string& span : IndexSpans()) {
    if (span == page.span_name) {
      absl::StrAppend(&body, "<b>", span, "</b>");
    } else {
      absl::StrAppend(&body, "<a href=\"/?span=", span, "\">", span, "</a>");
    }
  }
  absl::StrAppend(&body, "</nav>\n");
  if (page.services.empty()) {
    absl::StrAppend(
        &body, "<p>No profiles from ", UtcTime(page.span.start), " to ", UtcTime(page.span.end),
        ". Start an agent on each node: <code>pilotlight-agent --collector.address=HOST:7171</code>; "
        "the first profiles come within a minute.</p>\n");
  } else {
    double largest = 0;
    double sum = 0;
    for (const ServiceRow& row : page.services) {
      largest = std::max(largest, row.cpu_seconds);
      sum += row.cpu_seconds;
    }
    absl::StrAppend(&body, "<p>", page.services.size(), page.services.size() == 1 ? " service" : " services",
                    ", ", CpuTime(sum), " of CPU time from ", UtcTime(page.span.start), " to ",
                    UtcTime(page.span.end),
                    ". CPU times are estimated from the samples: agents watch a part of each minute.</p>\n"
                    "<table><tr><th>service</th><th class=\"n\">CPU time</th><th class=\"n\">cores</th>"
                    "<th class=\"n\">samples</th><th></th><th></th></tr>\n");
    for (const ServiceRow& row : page.services)
      absl::StrAppend(&body, ServiceRowHtml(row, largest, page.span));
    absl::StrAppend(&body, "</table>\n");
  }
  absl::StrAppend(
      &body, "<footer><code>go tool pprof -top 'http://", HtmlEscape(page.host),
      "/debug/pprof/merge?selector={service=\"…\"}&amp;from=now-1h'</code> · <a href=\"/folded\">all stacks, "
      "folded</a> · <a href=\"/metrics\">metrics</a></footer>\n");
  return Page("pilotlight", body);
}

std::string RenderTop(const TopAnswer& answer, const SelectionText& text, const TimeSpan& span) {
  const auto total = static_cast<double>(answer.table.total.count);
  const auto share = [total](uint64_t count, const Interval& interval) {
    return FormatShare(total > 0 ? static_cast<double>(count) / total : 0, interval);
  };
  SelectionText fixed = text;
  fixed.start = span.start;
  fixed.end = span.end;
  const std::string selector = text.selector.empty() ? "{}" : text.selector;
  std::string body = absl::StrCat(
      "<h1>", HtmlEscape(selector), " <small>", HtmlEscape(answer.type.ToString()),
      "</small></h1>\n<nav><a href=\"/\">all services</a>", Link("/flamegraph.svg", fixed, "flame graph"),
      Link("/folded", fixed, "folded"), Link("/debug/pprof/merge", fixed, "pprof"), "</nav>\n<p>",
      FormatValue(answer.table.total.value, answer.type.sample_unit), " in ",
      FormatCount(static_cast<int64_t>(answer.table.total.count)), " samples of ",
      answer.quality.coverage.windows, " windows, from ", UtcTime(span.start), " to ", UtcTime(span.end),
      ". In brackets: where the true share lies, with 95 % confidence.</p>\n"
      "<table><tr><th class=\"n\">flat</th><th>flat share</th><th class=\"n\">cumulative</th>"
      "<th>cumulative share</th><th>function</th></tr>\n");
  for (const TopRow& row : answer.table.rows) {
    absl::StrAppend(&body, "<tr><td class=\"n\">", FormatValue(row.flat.value, answer.type.sample_unit),
                    "</td><td>", share(row.flat.count, row.flat_share), "</td><td class=\"n\">",
                    FormatValue(row.cumulative.value, answer.type.sample_unit), "</td><td>",
                    share(row.cumulative.count, row.cumulative_share), "</td><td class=\"name\">",
                    HtmlEscape(row.function.empty() ? "[unknown]" : row.function), "</td></tr>\n");
  }
  absl::StrAppend(&body, "</table>\n");
  if (answer.table.rows.size() < answer.table.all_rows) {
    absl::StrAppend(&body, "<p>", answer.table.all_rows - answer.table.rows.size(),
                    " more functions; add <code>&amp;limit=1000</code> to the address.</p>\n");
  }
  return Page(absl::StrCat("top ", selector), body);
}

}  // namespace pilotlight::collector
