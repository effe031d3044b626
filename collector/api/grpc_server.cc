#include "collector/api/grpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/http_server.h"
#include "base/status_macros.h"
#include "collector/api/grpc_credentials.h"
#include "grpc/health/v1/health.pb.h"

namespace pilotlight::collector {
namespace {

std::atomic<uint64_t> failed_handshakes{0};

// gRPC's own lines have another format and mostly tell its developers something. But a handshake that failed
// is told nowhere else (gRPC 1.51, src/core/tsi/ssl_transport_security.cc).
void LogOfGrpc(gpr_log_func_args* line) {
  if (absl::StartsWith(line->message, "Handshake failed with fatal error")) ++failed_handshakes;
  spdlog::debug("grpc: {}:{}: {}", line->file, line->line, line->message);
}

// Nor does what protobuf thinks of a hostile message.
void LogOfProtobuf(google::protobuf::LogLevel /*level*/, const char* file, int line,
                   const std::string& message) {
  spdlog::debug("protobuf: {}:{}: {}", file, line, message);
}

void PrepareGrpcOnce() {
  static const bool kPrepared = [] {
    gpr_set_log_function(LogOfGrpc);
    google::protobuf::SetLogHandler(LogOfProtobuf);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // Links the description of the health service in, for reflection.
    grpc::health::v1::HealthCheckRequest::descriptor();
    return true;
  }();
  static_cast<void>(kPrepared);
}

void SetLimits(const GrpcServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetMaxSendMessageSize(-1);
  // The callback services have their own threads.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("collector");
  quota.SetMaxThreads(options.max_threads);
  // Of the transport's buffers; when it is used up, gRPC slows the senders down.
  quota.Resize(size_t{512} << 20);
  builder.SetResourceQuota(quota);

  // An agent that vanished without a word is noticed after 80 s.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  // Else a second collector would share the port and take half of the agents.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const GrpcServerOptions& options,
                                                              const std::vector<grpc::Service*>& services) {
  ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(options.listen_address));
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ServerCredentials> credentials,
                   MakeServerCredentials(options.tls, options.admit));
  PrepareGrpcOnce();
  grpc::ServerBuilder builder;
  SetLimits(options, builder);
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  int port = 0;
  builder.AddListeningPort(is_ipv6 ? absl::StrCat("[", address.host, "]:", address.port)
                                   : absl::StrCat(address.host, ":", address.port),
                           credentials, &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen_address,
                                               ": is the port in use, or the address another machine's? Take "
                                               "another one with --grpc.listen-address"));
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(credentials), std::move(server), port));
}

GrpcServer::GrpcServer(std::shared_ptr<grpc::ServerCredentials> credentials,
                       std::unique_ptr<grpc::Server> server, int port)
    : credentials_(std::move(credentials)), server_(std::move(server)), port_(port) {}

GrpcServer::~GrpcServer() {
  if (server_ != nullptr) Stop(absl::ZeroDuration());
}

uint64_t FailedGrpcHandshakes() { return failed_handshakes; }

void GrpcServer::Stop(absl::Duration patience) {
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(patience));
  server_->Wait();
  server_.reset();
}

}  // namespace pilotlight::collector
