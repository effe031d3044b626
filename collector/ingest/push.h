// Profiles that other agents, SDKs and people send, one at a time and whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collector/ingest/ingest_stream.h"
#include "exporters/labelled_profile.h"
#include "profile/profile.h"

namespace pilotlight::collector {

// What became of the profiles of an OTLP request, when not all were refused.
struct OtlpOutcome {
  int64_t rejected_profiles = 0;
  std::string message;  // why the first one was
};

// Stores each push as a window. A push has no identity, so that sent again it counts again: windows get a
// boot of this start of the collector and numbers as they come. Thread-safe.
class PushIngest {
 public:
  // `context` must outlive it.
  explicit PushIngest(IngestContext& context);

  // A pprof file, gzipped or not. Of `labels`, service_name is needed, __name__ becomes the first part of the
  // profile types, and what else has "__" in front is dropped; names become ones by ToLabelName(). Labels of
  // samples make series of their own, but cannot change one of `labels`. Without samples there is nothing to
  // store. InvalidArgument: can never be stored. ResourceExhausted: not now.
  absl::Status PushPprof(const std::string& tenant, const Labels& labels, absl::string_view bytes);
  // An OTLP request, with its version (ReadOtlp()). Profiles of one resource and time share a window when
  // their types differ. What is refused leaves the others; InvalidArgument when there are none.
  // ResourceExhausted only when nothing was stored, so that it can be sent again.
  absl::StatusOr<OtlpOutcome> PushOtlp(const std::string& tenant, absl::string_view request,
                                       absl::string_view version);
  // Profiles that were read before, of so many bytes: all of one time.
  absl::Status Push(const std::string& tenant, const Labels& labels, size_t bytes,
                    std::vector<Profile> profiles);
  // InvalidArgument, and counted: for what cannot even be given to the methods above.
  absl::Status Refuse(RefusalReason reason, absl::string_view message);

 private:
  absl::StatusOr<TenantIngest*> Admit(const std::string& tenant, size_t bytes);
  absl::Status PushLabelled(TenantIngest& tenant, const Labels& labels,
                            std::vector<LabelledProfile> profiles);
  absl::Status Store(TenantIngest& tenant, Window window);

  IngestContext& context_;
  const std::string boot_;
};

}  // namespace pilotlight::collector
