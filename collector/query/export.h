// A merged profile as a file.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "profile/profile.h"

namespace pilotlight::collector {

enum class ExportFormat { kPprof, kFolded, kSvg, kJson, kSpeedscope, kCpuProfile, kDot };

std::string WriteExportFile(const Profile& profile, ExportFormat format);
absl::string_view ContentType(ExportFormat format);

}  // namespace pilotlight::collector
