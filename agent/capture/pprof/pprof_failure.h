// Why a pprof endpoint gave no profile.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/http_client.h"

namespace pilotlight::agent {

struct PprofFailure {
  std::string reason;  // of a lost sample; see PprofSource
  std::string advice;  // what went wrong and what to do
};

PprofFailure PprofFailureOf(const absl::Status& status);
// REQUIRES: its status is not 200.
PprofFailure PprofFailureOf(const HttpGetResult& answer);

}  // namespace pilotlight::agent
