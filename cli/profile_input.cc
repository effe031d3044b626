#include "cli/profile_input.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "exporters/pprof.h"
#include "exporters/profile_file.h"
#include "profile/frame_filter.h"
#include "profile/stack_filter.h"

namespace pilotlight::cli {
namespace {

bool IsNamed(const ProfileType& type, const std::string& name) {
  return type.ToString() == name || type.sample_type == name;
}

absl::StatusOr<LabelledProfile> ChooseType(std::vector<LabelledProfile> profiles, const std::string& name,
                                           const std::string& path) {
  if (name.empty()) return std::move(profiles.front());
  const auto chosen = std::ranges::find_if(
      profiles, [&name](const LabelledProfile& made) { return IsNamed(made.profile.type, name); });
  if (chosen != profiles.end()) return std::move(*chosen);
  const std::string there = absl::StrJoin(profiles, ", ", [](std::string* out, const LabelledProfile& made) {
    absl::StrAppend(out, made.profile.type.sample_type);
  });
  return absl::InvalidArgumentError(absl::StrCat(path, " has no --type ", name, "; it has ", there));
}

void Apply(const StackFilter& filter, LabelledProfile& labelled) {
  if (filter.keeps_everything()) return;
  std::vector<Sample> all;
  for (const LabelledSamples& part : labelled.parts) {
    all.insert(all.end(), part.samples.begin(), part.samples.end());
  }
  filter.Apply(labelled.profile.trie, all);
  std::vector<bool> kept(labelled.profile.trie.node_count());
  for (const Sample& sample : all) kept[sample.node] = true;
  for (LabelledSamples& part : labelled.parts) {
    std::erase_if(part.samples, [&kept](const Sample& sample) { return !kept[sample.node]; });
  }
}

void Apply(const FrameFilter& filter, LabelledProfile& labelled) {
  std::vector<std::vector<Sample>*> samples;
  for (LabelledSamples& part : labelled.parts) samples.push_back(&part.samples);
  filter.Apply(labelled.profile.trie, samples);
}

// The reader's InvalidArgument is about the file, not about what was typed.
absl::Status AboutFile(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? absl::DataLossError(status.message()) : status;
}

}  // namespace

absl::Status CheckPaths(const std::vector<std::string>& paths) {
  if (std::count(paths.begin(), paths.end(), "-") <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError("standard input (-) can be read only once");
}

absl::StatusOr<LabelledProfile> ReadLabelledProfiles(const std::vector<std::string>& paths,
                                                     const QueryFlags& flags) {
  ASSIGN_OR_RETURN(const StackFilter filter, StackFilter::Create(flags.focus, flags.ignore));
  ASSIGN_OR_RETURN(const FrameFilter frame_filter, FrameFilter::Create(flags.frames));
  RETURN_IF_ERROR(CheckPaths(paths));
  LabelledProfile merged;
  for (const std::string& path : paths) {
    absl::StatusOr<std::vector<LabelledProfile>> profiles = ReadLabelledProfileFile(path);
    if (!profiles.ok()) return AboutFile(profiles.status());
    ASSIGN_OR_RETURN(const LabelledProfile made, ChooseType(*std::move(profiles), flags.type, path));
    if (const absl::Status status = MergeLabelled(made, merged); !status.ok()) {
      return AboutFile(absl::Status(status.code(), absl::StrCat(path, ": ", status.message())));
    }
  }
  Apply(filter, merged);
  Apply(frame_filter, merged);
  return merged;
}

absl::StatusOr<Profile> ReadProfiles(const std::vector<std::string>& paths, const QueryFlags& flags) {
  ASSIGN_OR_RETURN(LabelledProfile labelled, ReadLabelledProfiles(paths, flags));
  Profile whole = AddUpParts(std::move(labelled));
  CountFrames(whole);
  return whole;
}

absl::StatusOr<Profile> FetchProfile(CollectorClient& client, const Selection& selection) {
  ASSIGN_OR_RETURN(const std::string bytes, client.Export(selection, ProfileFormat::kPprof, /*group_by=*/{}));
  absl::StatusOr<std::vector<Profile>> profiles = ReadPprof(bytes);
  if (!profiles.ok()) {
    return absl::InternalError(absl::StrCat("the collector's profile: ", profiles.status().message()));
  }
  return std::move(profiles->front());
}

void CountFrames(Profile& profile) {
  const StackTrie& trie = profile.trie;
  // Depth and unnamed frames of each node's stack; parents come first.
  std::vector<std::pair<uint32_t, uint32_t>> counts(trie.node_count());
  for (NodeId node = 1; node < trie.node_count(); ++node) {
    const auto& [depth, unnamed] = counts[trie.parent(node)];
    const Frame& frame = trie.frame(trie.frame_of(node));
    const bool counts_at_all = frame.kind != FrameKind::kSynthetic;
    counts[node] = {depth + (counts_at_all ? 1 : 0), unnamed + (counts_at_all && !frame.symbolized ? 1 : 0)};
  }
  profile.loss.frames = 0;
  profile.loss.unsymbolized_frames = 0;
  for (const Sample& sample : profile.samples) {
    profile.loss.frames += sample.count * counts[sample.node].first;
    profile.loss.unsymbolized_frames += sample.count * counts[sample.node].second;
  }
}

std::string NameFiles(const std::vector<std::string>& paths) {
  std::string first = paths.front() == "-" ? "standard input" : paths.front();
  if (paths.size() == 1) return first;
  if (paths.size() == 2) return absl::StrCat(first, " and ", paths[1]);
  return absl::StrCat(first, " and ", paths.size() - 1, " more files");
}

}  // namespace pilotlight::cli
