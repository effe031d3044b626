// The collector's Query, Agents and push services, without gRPC in sight: that stays in collector_client.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/client_access.h"
#include "cli/output.h"
#include "cli/time_text.h"
#include "profile/diff.h"
#include "profile/flame_graph.h"
#include "profile/frame_filter.h"
#include "profile/peek.h"
#include "profile/profile.h"
#include "profile/top.h"

namespace pilotlight::v1 {
class NodeInspection;
}

namespace pilotlight::cli {

// What is asked for; see Selection in query.proto.
struct Selection {
  std::string selector;
  std::string profile_type;
  TimeSpan span;
  std::string focus;
  std::string ignore;
  FrameFilterText frames = {};

  std::string subject() const { return selector.empty() ? "everything" : selector; }
};

// How good an answer is; see Quality in query.proto.
struct Quality {
  uint64_t windows = 0;
  absl::Duration watched;
  uint64_t samples = 0;
  int64_t value = 0;
  double estimated_value = 0;  // of the whole span
  absl::Duration covered;      // from the first window to the last one's end
  LossCounters loss;
};

struct TopAnswer {
  TopTable table;
  Quality quality;
  ProfileType type;
};

struct FlameAnswer {
  FlameGraph graph;
  Quality quality;
  ProfileType type;
};

struct DiffAnswer {
  DiffTable table;
  Quality base_quality;
  Quality comparison_quality;
  ProfileType type;
};

struct PeekAnswer {
  PeekTable table;
  Quality quality;
  ProfileType type;
};

struct SeriesAnswer {
  struct Point {
    absl::Time start;
    uint64_t samples = 0;
    int64_t value = 0;
    double estimated_value = 0;
  };
  struct OneSeries {
    Labels labels;
    std::vector<Point> points;
  };
  std::vector<OneSeries> series;  // the largest first
  absl::Duration step;
  ProfileType type;
};

struct ConnectedAgent {
  std::string agent;
  std::string version;
  std::string node;
  absl::Time since;
};

struct CapturedWindow {
  TimeSpan span;
  uint64_t samples = 0;
};

// Errors: InvalidArgument for a question that makes no sense, in the collector's words; Unavailable and
// DeadlineExceeded name the address and what to do.
class CollectorClient {
 public:
  // `address` is host:port. Each call ends within `timeout`.
  // `access` is read now; what is wrong with it is each call's error.
  CollectorClient(std::string address, absl::Duration timeout, const ClientAccess& access);
  ~CollectorClient();

  absl::StatusOr<TopAnswer> Top(const Selection& selection, TopOrder order, uint32_t limit);
  absl::StatusOr<FlameAnswer> QueryFlameGraph(const Selection& selection, uint32_t max_nodes);
  absl::StatusOr<DiffAnswer> Diff(const Selection& base, const Selection& comparison, TopOrder order,
                                  uint32_t limit);
  absl::StatusOr<PeekAnswer> Peek(const Selection& selection, const std::string& function, uint32_t limit);
  // `step` zero lets the collector choose.
  absl::StatusOr<SeriesAnswer> QuerySeries(const Selection& selection, absl::Duration step,
                                           const std::vector<std::string>& group_by);
  // The merged profile as a file.
  absl::StatusOr<std::string> Export(const Selection& selection, ProfileFormat format,
                                     const std::vector<std::string>& group_by);
  absl::StatusOr<std::vector<std::string>> LabelNames(const Selection& selection);
  absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& name, const Selection& selection);
  absl::StatusOr<std::vector<std::string>> ProfileTypes(const Selection& selection);
  absl::StatusOr<std::vector<ConnectedAgent>> Agents();
  // Waits for an extra capture by the node's agent; zero is as long as any other. NotFound when there is
  // none, ResourceExhausted when it may not use more CPU.
  absl::StatusOr<CapturedWindow> Capture(const std::string& node, absl::Duration duration);
  // What `pilotlight doctor` says on that node. NotFound as above.
  absl::StatusOr<v1::NodeInspection> Inspect(const std::string& node);
  // Stores a pprof file, gzipped or not, by push.v1; sent again it counts again. `labels` need service_name;
  // __name__ is the first part of the profile types. InvalidArgument: it can never be stored.
  absl::Status Push(const Labels& labels, std::string pprof);

 private:
  class Connection;
  const std::string address_;
  const absl::Duration timeout_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace pilotlight::cli
