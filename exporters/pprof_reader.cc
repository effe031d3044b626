#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/gzip.h"
#include "base/status_macros.h"
#include "exporters/pprof.h"
#include "exporters/pprof_converter.h"
#include "exporters/pprof_labels.h"
#include "exporters/pprof_tables.h"

namespace pilotlight {
namespace {

// What people get instead of a profile when they ask for the wrong thing. Empty when nothing is recognised.
absl::string_view KnownMistake(absl::string_view bytes) {
  if (bytes.empty()) return "it is empty";
  if (absl::StartsWith(bytes, "go 1.")) return "it is an execution trace: use `go tool trace`";
  if (absl::StartsWith(bytes, "PERFILE2")) return "it is a perf.data file: convert it with `perf script`";
  if (absl::StartsWith(bytes, "<")) return "it is an HTML or XML page";
  if (absl::StartsWith(bytes, "heap profile:") || absl::StartsWith(bytes, "goroutine profile:") ||
      absl::StartsWith(bytes, "--- ")) {
    return "it is the text form: fetch it without ?debug=1";
  }
  return "";
}

absl::StatusOr<pprof::LabelSets::Texts> TextsOf(const pprof::LabelSets::Key& key,
                                                const pprof::Tables& tables) {
  pprof::LabelSets::Texts texts;
  const auto string = [&tables](int64_t number) { return tables.strings[static_cast<size_t>(number)]; };
  for (size_t i = 0; i < key.size(); i += 2) {
    const auto size = static_cast<int64_t>(tables.strings.size());
    if (key[i] < 0 || key[i] >= size || key[i + 1] < 0 || key[i + 1] >= size) {
      return absl::InvalidArgumentError("not a pprof profile: a label is of a string that is not there");
    }
    texts.emplace_back(string(key[i]), string(key[i + 1]));
  }
  return texts;
}

absl::StatusOr<std::vector<LabelledProfile>> Read(absl::string_view bytes, const PprofLimits& limits,
                                                  bool with_labels) {
  std::string decompressed;
  if (IsGzip(bytes)) {
    ASSIGN_OR_RETURN(decompressed, Gunzip(bytes, limits.max_bytes));
    bytes = decompressed;
  }
  if (const absl::string_view mistake = KnownMistake(bytes); !mistake.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("not a pprof profile: ", mistake));
  }
  ASSIGN_OR_RETURN(const pprof::Tables tables, pprof::ParseTables(bytes, limits));
  pprof::LabelSets sets(limits);
  pprof::Usage usage;
  pprof::Converter converter(tables, tables.heading, limits, usage);
  std::vector<uint32_t> locations;
  pprof::LabelSets::Key key;
  RETURN_IF_ERROR(pprof::VisitSamples(bytes, [&](const perftools::profiles::Sample& sample) -> absl::Status {
    locations.clear();
    for (const uint64_t id : sample.location_id()) {
      const uint32_t location = tables.location_ids.Find(id);
      if (location == pprof::kNone) {
        return absl::InvalidArgumentError(absl::StrCat("the profile has no location ", id));
      }
      locations.push_back(location);
    }
    uint32_t set = 0;
    if (with_labels && !sample.label().empty()) {
      key.clear();
      for (const perftools::profiles::Label& label : sample.label()) {
        if (label.str() != 0) key.insert(key.end(), {label.key(), label.str()});
      }
      ASSIGN_OR_RETURN(set, sets.SetOf(key, [&] { return TextsOf(key, tables); }));
    }
    return converter.Add(locations, sample.value(), set);
  }));
  std::vector<LabelledProfile> profiles = converter.Finish();
  for (LabelledProfile& profile : profiles) {
    for (uint32_t set = 0; set < profile.parts.size(); ++set) profile.parts[set].labels = sets.labels(set);
    std::erase_if(profile.parts, [](const LabelledSamples& part) { return part.samples.empty(); });
  }
  return profiles;
}

}  // namespace

absl::StatusOr<std::vector<LabelledProfile>> ReadLabelledPprof(absl::string_view bytes,
                                                               const PprofLimits& limits) {
  return Read(bytes, limits, /*with_labels=*/true);
}

absl::StatusOr<std::vector<Profile>> ReadPprof(absl::string_view bytes, const PprofLimits& limits) {
  ASSIGN_OR_RETURN(std::vector<LabelledProfile> made, Read(bytes, limits, /*with_labels=*/false));
  return AddUpParts(std::move(made));
}

}  // namespace pilotlight
