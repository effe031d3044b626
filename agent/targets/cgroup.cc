#include "agent/targets/cgroup.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kContainerIdDigits = 64;

bool AreHexDigits(absl::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
}

bool IsContainerId(absl::string_view text) { return text.size() == kContainerIdDigits && AreHexDigits(text); }

// Empty when the group is not that of a container. What watches over a container (crio-conmon-ID.scope) is
// not in it.
absl::string_view ContainerIdOf(absl::string_view group) {
  absl::string_view name = absl::StripSuffix(group, ".scope");
  if (const size_t colon = name.rfind(':'); colon != absl::string_view::npos) name.remove_prefix(colon + 1);
  constexpr std::array<absl::string_view, 6> kRuntimes = {"docker-", "cri-containerd-", "nerdctl-",
                                                          "crio-",   "libpod-payload-", "libpod-"};
  for (const absl::string_view runtime : kRuntimes) {
    if (absl::ConsumePrefix(&name, runtime)) break;
  }
  return IsContainerId(name) ? name : absl::string_view();
}

bool IsUuid(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '-');
  constexpr std::array<size_t, 5> kDigits = {8, 4, 4, 4, 12};
  return std::ranges::equal(parts, kDigits, {}, &absl::string_view::size) &&
         std::ranges::all_of(parts, AreHexDigits);
}

// Empty when the group is not that of a pod.
std::string PodUidOf(absl::string_view group) {
  // With containerd's colons the slice is the first part.
  group = group.substr(0, group.find(':'));
  const bool is_slice = absl::ConsumeSuffix(&group, ".slice");
  const size_t at = group.rfind("pod");
  if (at == absl::string_view::npos || (at > 0 && !(is_slice && group[at - 1] == '-'))) return "";
  std::string uid(group.substr(at + 3));
  if (is_slice) absl::StrReplaceAll({{"_", "-"}}, &uid);
  constexpr size_t kStaticPodDigits = 32;
  const bool is_uid = IsUuid(uid) || (uid.size() == kStaticPodDigits && AreHexDigits(uid));
  return is_uid ? uid : "";
}

std::string SystemdUnitOf(const std::vector<absl::string_view>& groups) {
  if (groups.empty() || groups[0] != "system.slice") return "";
  const auto unit =
      std::ranges::find_if(groups, [](absl::string_view group) { return !absl::EndsWith(group, ".slice"); });
  if (unit == groups.end() || !absl::EndsWith(*unit, ".service") || absl::StartsWith(*unit, "user@"))
    return "";
  return std::string(*unit);
}

}  // namespace

Cgroup ParseCgroup(absl::string_view text) {
  std::string systemd_unit;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    // hierarchy:controllers:path, and the path may hold colons.
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() < 3) continue;
    std::vector<absl::string_view> groups = absl::StrSplit(fields[2], '/', absl::SkipEmpty());
    std::erase(groups, "..");
    Cgroup found;
    for (const absl::string_view group : groups) {
      if (std::string uid = PodUidOf(group); !uid.empty()) found.pod_uid = std::move(uid);
      found.container_id = std::string(ContainerIdOf(group));
      if (!found.container_id.empty()) return found;
    }
    const bool is_systemds = fields[1].empty() || fields[1] == "name=systemd";
    if (is_systemds && systemd_unit.empty()) systemd_unit = SystemdUnitOf(groups);
  }
  return {.container_id = "", .pod_uid = "", .systemd_unit = systemd_unit};
}

}  // namespace pilotlight::agent
