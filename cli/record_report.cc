#include "cli/record_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/top_view.h"
#include "exporters/format.h"

namespace pilotlight::cli {
namespace {

std::string Count(uint64_t count) { return FormatCount(static_cast<int64_t>(count)); }

void AddUnnamed(const Recording& recording, std::vector<std::string>& lines) {
  const agent::SymbolizerStats& stats = recording.symbols;
  std::vector<std::string> reasons;
  const auto add = [&reasons](uint64_t count, absl::string_view what) {
    if (count > 0) reasons.push_back(absl::StrCat(Count(count), " ", what));
  };
  add(stats.unnamed_no_symbol, "without a symbol in their file (stripped?)");
  add(stats.unnamed_anonymous, "in code without a file (JIT)");
  add(stats.unnamed_no_file, "in files that could not be read");
  add(stats.unnamed_no_mapping, "outside of all mappings");
  if (!reasons.empty())
    lines.push_back(absl::StrCat("addresses without a name: ", absl::StrJoin(reasons, ", ")));
  if (stats.unnamed_kernel > 0 && !recording.kernel_symbols.ok()) {
    lines.push_back(absl::StrCat("no names of kernel functions: ", recording.kernel_symbols.message()));
  }
}

void AddMissing(const Recording& recording, const RecordReportOptions& options,
                std::vector<std::string>& lines) {
  if (!options.passed_over.empty()) {
    lines.push_back(absl::StrCat("recorded by ", options.source,
                                 ", as better ones do not work here: ", options.passed_over));
  }
  std::vector<std::string> lost;
  for (const auto& [reason, count] : recording.lost) lost.push_back(absl::StrCat(Count(count), " ", reason));
  if (!lost.empty()) lines.push_back(absl::StrCat("lost samples: ", absl::StrJoin(lost, ", ")));
  if (recording.unknown_samples > 0) {
    lines.push_back(absl::StrCat(
        Count(recording.unknown_samples), recording.unknown_samples == 1 ? " sample" : " samples",
        " somewhere on this machine, of processes that ended before anybody could look whose they were"));
  }
  if (recording.vanished_samples > 0) {
    lines.push_back(absl::StrCat(
        Count(recording.vanished_samples), recording.vanished_samples == 1 ? " sample" : " samples",
        " without names, of processes that ended before anybody could look at them"));
  }
  AddUnnamed(recording, lines);
  const uint64_t samples = Totals(recording.profile.samples).count;
  if (samples > 0 && recording.broken_samples * 20 > samples) {
    lines.push_back(
        absl::StrCat(Count(recording.broken_samples),
                     " samples with [broken] stacks: of code with neither unwind tables nor frame "
                     "pointers, or of a program that had just begun"));
  }
  if (!recording.ended_early.ok()) {
    lines.push_back(absl::StrCat("ended early: ", recording.ended_early.message()));
  }
}

}  // namespace

std::string RecordReport(const Recording& recording, const RecordReportOptions& options) {
  const Profile& profile = recording.profile;
  const Quality quality = QualityOf(profile);
  std::vector<std::string> lines;
  if (quality.samples == 0) {
    lines.push_back(options.source == "off_cpu"
                        ? "no thread was blocked and came back, or none in what was looked at"
                        : "no CPU time was used, or none in what was looked at");
  }
  AddMissing(recording, options, lines);
  if (options.has_head && quality.samples > 0) {
    return lines.empty() ? "" : absl::StrCat("\n", absl::StrJoin(lines, "\n"), "\n");
  }

  std::vector<std::string> parts = AmountText(quality, profile.type);
  const double seconds = absl::ToDoubleSeconds(profile.duration);
  if (seconds > 0) {
    absl::StrAppend(&parts.back(), " in ", FormatTimeSpan(profile.duration));
    if (profile.type == ProfileType{}) {
      absl::StrAppend(&parts.back(),
                      absl::StrFormat(" (%.2f cores)", static_cast<double>(quality.value) / seconds / 1e9));
    }
  }
  parts.push_back(absl::StrCat("by ", options.source));
  for (std::string& part : QualityText(quality)) parts.push_back(std::move(part));
  lines.insert(lines.begin(),
               absl::StrCat(options.out.empty() || options.out == "-" ? "recorded" : options.out, ": ",
                            absl::StrJoin(parts, ", ")));
  return absl::StrCat(absl::StrJoin(lines, "\n  "), "\n");
}

}  // namespace pilotlight::cli
