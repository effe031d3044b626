#include "cli/collector_client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "pilotlight/v1/agents.grpc.pb.h"
#include "pilotlight/v1/query.grpc.pb.h"
#include "profile/wire.h"
#include "push/v1/push.grpc.pb.h"

namespace pilotlight::cli {
namespace {

// The flame graph of many services may be far beyond gRPC's default of 4 MiB.
constexpr int kMaxReceivedBytes = 256 << 20;
// gRPC gives a silent address 20 s before it says so; a person waits.
constexpr int kConnectTimeoutMs = 5000;

bool IsLoopback(const std::string& address) {
  return absl::StartsWith(address, "localhost") || absl::StartsWith(address, "127.") ||
         absl::StartsWith(address, "[::1]");
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ClientAccess& access,
                                           const TlsPem& pem) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceivedBytes);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  // gRPC obeys http_proxy, and no proxy can reach this machine's own loopback.
  if (IsLoopback(address)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (access.tls.ca_file.empty()) {
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }
  if (!access.server_name.empty()) arguments.SetSslTargetNameOverride(access.server_name);
  return grpc::CreateCustomChannel(
      address,
      grpc::SslCredentials(
          {.pem_root_certs = pem.ca, .pem_private_key = pem.key, .pem_cert_chain = pem.cert}),
      arguments);
}

void ToProto(const Selection& selection, v1::Selection& message) {
  message.set_selector(selection.selector);
  message.set_profile_type(selection.profile_type);
  message.set_start_unix_ns(absl::ToUnixNanos(selection.span.start));
  message.set_end_unix_ns(absl::ToUnixNanos(selection.span.end));
  message.set_focus(selection.focus);
  message.set_ignore(selection.ignore);
  message.set_show(selection.frames.show);
  message.set_hide(selection.frames.hide);
  message.set_prune_from(selection.frames.prune_from);
}

template <typename Request>
void SetSpan(const Selection& selection, Request& request) {
  request.set_start_unix_ns(absl::ToUnixNanos(selection.span.start));
  request.set_end_unix_ns(absl::ToUnixNanos(selection.span.end));
}

Quality FromProto(const v1::Quality& message) {
  Quality quality;
  quality.windows = message.windows();
  quality.watched = absl::Nanoseconds(message.watched_ns());
  quality.samples = message.samples();
  quality.value = message.value();
  quality.estimated_value = message.estimated_value();
  quality.covered = absl::Nanoseconds(message.last_end_unix_ns() - message.first_start_unix_ns());
  quality.loss = pilotlight::FromProto(message.loss());
  return quality;
}

absl::StatusOr<FlameGraph> FromProto(const v1::FlameGraphResponse& response) {
  const int count = response.parent_size();
  if (response.name_size() != count || response.kind_size() != count || response.self_count_size() != count ||
      response.self_value_size() != count || response.total_count_size() != count ||
      response.total_value_size() != count) {
    return absl::InternalError("the collector's flame graph has columns of different lengths");
  }
  FlameGraph graph;
  graph.names.assign(response.names().begin(), response.names().end());
  graph.nodes.resize(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    FlameGraph::Node& node = graph.nodes[static_cast<size_t>(i)];
    node.parent = response.parent(i);
    node.name = response.name(i);
    if (node.name >= graph.names.size() || (i > 0 && node.parent >= static_cast<uint32_t>(i))) {
      return absl::InternalError("the collector's flame graph has a node that points nowhere");
    }
    if (response.kind(i) <= static_cast<uint32_t>(FrameKind::kSynthetic)) {
      node.kind = static_cast<FrameKind>(response.kind(i));
    }
    node.self.count = response.self_count(i);
    node.self.value = response.self_value(i);
    node.total.count = response.total_count(i);
    node.total.value = response.total_value(i);
  }
  return graph;
}

v1::TopRequest::Order ToProto(TopOrder order) {
  return order == TopOrder::kFlat ? v1::TopRequest::ORDER_FLAT : v1::TopRequest::ORDER_CUMULATIVE;
}

v1::ExportRequest::Format ToProto(ProfileFormat format) {
  switch (format) {
    case ProfileFormat::kSvg:
      return v1::ExportRequest::FORMAT_SVG;
    case ProfileFormat::kFolded:
      return v1::ExportRequest::FORMAT_FOLDED;
    case ProfileFormat::kPprof:
      return v1::ExportRequest::FORMAT_PPROF;
    case ProfileFormat::kJson:
      return v1::ExportRequest::FORMAT_JSON;
    case ProfileFormat::kSpeedscope:
      return v1::ExportRequest::FORMAT_SPEEDSCOPE;
    case ProfileFormat::kCpuProfile:
      return v1::ExportRequest::FORMAT_CPUPROFILE;
    case ProfileFormat::kDot:
      return v1::ExportRequest::FORMAT_DOT;
  }
  return v1::ExportRequest::FORMAT_UNSPECIFIED;
}

// gRPC's "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:7171: Failed to connect to
// remote host: Connection refused" has its reason at the end.
std::string LastReason(const std::string& message) {
  const size_t colon = message.rfind(": ");
  return colon == std::string::npos ? message : message.substr(colon + 2);
}

}  // namespace

class CollectorClient::Connection {
 public:
  Connection(const std::string& address, absl::Duration timeout, const ClientAccess& access)
      : address_(address), timeout_(timeout), tenant_(access.tenant), secrets_(ReadClientAccess(access)) {
    if (!secrets_.ok()) return;
    const auto channel = OpenChannel(address, access, secrets_->pem);
    stubs_.emplace(channel, channel, channel);
  }

  // REQUIRES: Prepare() was OK.
  v1::Query::Stub& query() { return std::get<v1::Query::Stub>(*stubs_); }

  // The error is that of the files which were to give access.
  absl::Status Prepare(grpc::ClientContext& context) const {
    RETURN_IF_ERROR(secrets_.status());
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout_));
    if (!secrets_->authorization.empty()) context.AddMetadata("authorization", secrets_->authorization);
    if (!tenant_.empty()) context.AddMetadata(kTenantMetadata, tenant_);
    return absl::OkStatus();
  }

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    RETURN_IF_ERROR(Prepare(context));
    Response response;
    RETURN_IF_ERROR(Explain((std::get<Stub>(*stubs_).*method)(&context, request, &response)));
    return response;
  }

  absl::Status Explain(const grpc::Status& status) const {
    if (status.ok()) return absl::OkStatus();
    switch (status.error_code()) {
      case grpc::StatusCode::UNAVAILABLE:
        return absl::UnavailableError(
            absl::StrCat("no collector answers at ", address_, " (", LastReason(status.error_message()),
                         "): start pilotlight-collector there, or name another address with --collector "
                         "HOST:PORT or PILOTLIGHT_COLLECTOR"));
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return absl::DeadlineExceededError(
            absl::StrCat("the collector at ", address_, " gave no answer within ",
                         absl::FormatDuration(timeout_), ": ask for less, or for longer with --timeout"));
      case grpc::StatusCode::UNAUTHENTICATED:
        return absl::UnauthenticatedError(absl::StrCat(
            status.error_message(), ": name a file with a token by --token-file or PILOTLIGHT_TOKEN_FILE"));
      case grpc::StatusCode::UNIMPLEMENTED:
        return absl::UnimplementedError(
            absl::StrCat(address_, " speaks gRPC but is no pilotlight collector of this version"));
      default:
        return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    }
  }

 private:
  const std::string address_;
  const absl::Duration timeout_;
  const std::string tenant_;
  const absl::StatusOr<ClientSecrets> secrets_;
  using Stubs = std::tuple<v1::Query::Stub, v1::Agents::Stub, push::v1::PusherService::Stub>;
  std::optional<Stubs> stubs_;
};

CollectorClient::CollectorClient(std::string address, absl::Duration timeout, const ClientAccess& access)
    : address_(std::move(address)),
      timeout_(timeout),
      connection_(std::make_unique<Connection>(address_, timeout_, access)) {}

CollectorClient::~CollectorClient() = default;

absl::StatusOr<TopAnswer> CollectorClient::Top(const Selection& selection, TopOrder order, uint32_t limit) {
  v1::TopRequest request;
  ToProto(selection, *request.mutable_selection());
  request.set_limit(limit);
  request.set_order(ToProto(order));
  ASSIGN_OR_RETURN(const v1::TopResponse response, connection_->Call(&v1::Query::Stub::Top, request));
  TopAnswer answer;
  answer.quality = FromProto(response.quality());
  answer.type = pilotlight::FromProto(response.type());
  answer.table.total = {response.quality().samples(), response.quality().value()};
  answer.table.all_rows = response.functions();
  for (const v1::TopResponse::Row& row : response.rows()) {
    TopRow& added = answer.table.rows.emplace_back();
    added.function = row.function();
    added.file = row.file();
    added.flat.count = row.flat_count();
    added.flat.value = row.flat_value();
    added.cumulative.count = row.cumulative_count();
    added.cumulative.value = row.cumulative_value();
    added.flat_share = {row.flat_share().lower(), row.flat_share().upper()};
    added.cumulative_share = {row.cumulative_share().lower(), row.cumulative_share().upper()};
  }
  return answer;
}

absl::StatusOr<DiffAnswer> CollectorClient::Diff(const Selection& base, const Selection& comparison,
                                                 TopOrder order, uint32_t limit) {
  v1::DiffRequest request;
  ToProto(base, *request.mutable_base());
  ToProto(comparison, *request.mutable_comparison());
  request.set_limit(limit);
  request.set_order(ToProto(order));
  ASSIGN_OR_RETURN(const v1::DiffResponse response, connection_->Call(&v1::Query::Stub::Diff, request));
  const v1::DiffResponse::Table& table = response.table();
  const int count = table.function_size();
  for (const int size : {table.file_size(), table.base_flat_count_size(), table.base_flat_value_size(),
                         table.base_cumulative_count_size(), table.base_cumulative_value_size(),
                         table.comparison_flat_count_size(), table.comparison_flat_value_size(),
                         table.comparison_cumulative_count_size(), table.comparison_cumulative_value_size(),
                         table.flat_p_value_size(), table.cumulative_p_value_size()}) {
    if (size != count) return absl::InternalError("the collector's diff has columns of different lengths");
  }
  DiffAnswer answer;
  answer.base_quality = FromProto(response.base_quality());
  answer.comparison_quality = FromProto(response.comparison_quality());
  answer.type = pilotlight::FromProto(response.type());
  answer.table.total = {{response.base_quality().samples(), response.base_quality().value()},
                        {response.comparison_quality().samples(), response.comparison_quality().value()}};
  answer.table.all_rows = table.functions();
  answer.table.significant_flat = table.significant_flat();
  answer.table.significant_cumulative = table.significant_cumulative();
  for (int i = 0; i < count; ++i) {
    DiffRow& row = answer.table.rows.emplace_back();
    row.function = table.function(i);
    row.file = table.file(i);
    row.flat = {{0, table.base_flat_count(i), table.base_flat_value(i)},
                {0, table.comparison_flat_count(i), table.comparison_flat_value(i)},
                table.flat_p_value(i)};
    row.cumulative = {{0, table.base_cumulative_count(i), table.base_cumulative_value(i)},
                      {0, table.comparison_cumulative_count(i), table.comparison_cumulative_value(i)},
                      table.cumulative_p_value(i)};
  }
  return answer;
}

absl::StatusOr<PeekAnswer> CollectorClient::Peek(const Selection& selection, const std::string& function,
                                                 uint32_t limit) {
  v1::PeekRequest request;
  ToProto(selection, *request.mutable_selection());
  request.set_function(function);
  request.set_limit(limit);
  ASSIGN_OR_RETURN(const v1::PeekResponse response, connection_->Call(&v1::Query::Stub::Peek, request));
  const auto neighbours = [](const auto& messages) {
    std::vector<PeekNeighbour> all;
    for (const v1::PeekResponse::Neighbour& message : messages) {
      all.push_back({message.function(), {0, message.count(), message.value()}});
    }
    return all;
  };
  PeekAnswer answer;
  answer.quality = FromProto(response.quality());
  answer.type = pilotlight::FromProto(response.type());
  answer.table.total = {response.quality().samples(), response.quality().value()};
  answer.table.all_functions = response.matches();
  for (const v1::PeekResponse::Function& message : response.functions()) {
    PeekFunction& added = answer.table.functions.emplace_back();
    added.function = message.function();
    added.file = message.file();
    added.flat = {0, message.flat_count(), message.flat_value()};
    added.cumulative = {0, message.cumulative_count(), message.cumulative_value()};
    added.callers = neighbours(message.callers());
    added.callees = neighbours(message.callees());
  }
  return answer;
}

absl::StatusOr<FlameAnswer> CollectorClient::QueryFlameGraph(const Selection& selection, uint32_t max_nodes) {
  v1::FlameGraphRequest request;
  ToProto(selection, *request.mutable_selection());
  request.set_max_nodes(max_nodes);
  ASSIGN_OR_RETURN(const v1::FlameGraphResponse response,
                   connection_->Call(&v1::Query::Stub::FlameGraph, request));
  FlameAnswer answer;
  answer.quality = FromProto(response.quality());
  answer.type = pilotlight::FromProto(response.type());
  ASSIGN_OR_RETURN(answer.graph, FromProto(response));
  return answer;
}

absl::StatusOr<SeriesAnswer> CollectorClient::QuerySeries(const Selection& selection, absl::Duration step,
                                                          const std::vector<std::string>& group_by) {
  v1::SeriesRequest request;
  ToProto(selection, *request.mutable_selection());
  request.set_step_ns(absl::ToInt64Nanoseconds(step));
  for (const std::string& name : group_by) request.add_group_by(name);
  ASSIGN_OR_RETURN(const v1::SeriesResponse response, connection_->Call(&v1::Query::Stub::Series, request));
  SeriesAnswer answer;
  const absl::Time start = absl::FromUnixNanos(response.start_unix_ns());
  answer.step = absl::Nanoseconds(response.step_ns());
  answer.type = pilotlight::FromProto(response.type());
  for (const v1::SeriesResponse::OneSeries& series : response.series()) {
    SeriesAnswer::OneSeries& added = answer.series.emplace_back();
    for (const v1::Label& label : series.labels()) added.labels[label.name()] = label.value();
    const int count = series.step_size();
    if (series.samples_size() != count || series.value_size() != count ||
        series.estimated_value_size() != count) {
      return absl::DataLossError("the collector's answer has columns of different lengths");
    }
    for (int i = 0; i < count; ++i) {
      added.points.push_back({start + series.step(i) * answer.step, series.samples(i), series.value(i),
                              series.estimated_value(i)});
    }
  }
  return answer;
}

absl::StatusOr<std::string> CollectorClient::Export(const Selection& selection, ProfileFormat format,
                                                    const std::vector<std::string>& group_by) {
  v1::ExportRequest request;
  ToProto(selection, *request.mutable_selection());
  request.set_format(ToProto(format));
  for (const std::string& name : group_by) request.add_group_by(name);
  grpc::ClientContext context;
  RETURN_IF_ERROR(connection_->Prepare(context));
  const std::unique_ptr<grpc::ClientReader<v1::ExportResponse>> reader =
      connection_->query().Export(&context, request);
  std::string bytes;
  v1::ExportResponse response;
  while (reader->Read(&response)) bytes += response.part();
  RETURN_IF_ERROR(connection_->Explain(reader->Finish()));
  return bytes;
}

absl::StatusOr<std::vector<std::string>> CollectorClient::LabelNames(const Selection& selection) {
  v1::LabelNamesRequest request;
  SetSpan(selection, request);
  request.set_selector(selection.selector);
  ASSIGN_OR_RETURN(const v1::LabelNamesResponse response,
                   connection_->Call(&v1::Query::Stub::LabelNames, request));
  return std::vector<std::string>(response.names().begin(), response.names().end());
}

absl::StatusOr<std::vector<std::string>> CollectorClient::LabelValues(const std::string& name,
                                                                      const Selection& selection) {
  v1::LabelValuesRequest request;
  SetSpan(selection, request);
  request.set_selector(selection.selector);
  request.set_name(name);
  ASSIGN_OR_RETURN(const v1::LabelValuesResponse response,
                   connection_->Call(&v1::Query::Stub::LabelValues, request));
  return std::vector<std::string>(response.values().begin(), response.values().end());
}

absl::StatusOr<std::vector<std::string>> CollectorClient::ProfileTypes(const Selection& selection) {
  v1::ProfileTypesRequest request;
  SetSpan(selection, request);
  ASSIGN_OR_RETURN(const v1::ProfileTypesResponse response,
                   connection_->Call(&v1::Query::Stub::ProfileTypes, request));
  std::vector<std::string> types;
  for (const v1::ProfileType& type : response.types())
    types.push_back(pilotlight::FromProto(type).ToString());
  return types;
}

absl::StatusOr<std::vector<ConnectedAgent>> CollectorClient::Agents() {
  ASSIGN_OR_RETURN(const v1::ListAgentsResponse response,
                   connection_->Call(&v1::Agents::Stub::List, v1::ListAgentsRequest()));
  std::vector<ConnectedAgent> agents;
  for (const v1::Agent& agent : response.agents()) {
    agents.push_back(
        {agent.agent(), agent.version(), agent.node(), absl::FromUnixNanos(agent.connected_unix_ns())});
  }
  return agents;
}

absl::StatusOr<CapturedWindow> CollectorClient::Capture(const std::string& node, absl::Duration duration) {
  v1::CaptureRequest request;
  request.set_node(node);
  request.set_duration_ns(absl::ToInt64Nanoseconds(duration));
  ASSIGN_OR_RETURN(const v1::CaptureResponse response,
                   connection_->Call(&v1::Agents::Stub::Capture, request));
  const v1::ExtraCapture& capture = response.capture();
  const absl::Time start = absl::FromUnixNanos(capture.start_unix_ns());
  return CapturedWindow{.span = {start, start + absl::Nanoseconds(capture.duration_ns())},
                        .samples = capture.samples()};
}

absl::StatusOr<v1::NodeInspection> CollectorClient::Inspect(const std::string& node) {
  v1::InspectRequest request;
  request.set_node(node);
  ASSIGN_OR_RETURN(v1::InspectResponse response, connection_->Call(&v1::Agents::Stub::Inspect, request));
  return std::move(*response.mutable_inspection());
}

absl::Status CollectorClient::Push(const Labels& labels, std::string pprof) {
  push::v1::PushRequest request;
  push::v1::RawProfileSeries& series = *request.add_series();
  for (const auto& [name, value] : labels) {
    push::v1::LabelPair& label = *series.add_labels();
    label.set_name(name);
    label.set_value(value);
  }
  *series.add_samples()->mutable_raw_profile() = std::move(pprof);
  return connection_->Call(&push::v1::PusherService::Stub::Push, request).status();
}

}  // namespace pilotlight::cli
