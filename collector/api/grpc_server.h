// The collector's gRPC side: the services, health, reflection, limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/tls.h"
#include "collector/api/grpc_credentials.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace pilotlight::collector {

struct GrpcServerOptions {
  std::string listen_address;  // "host:port", ":port" for all interfaces; port 0 takes a free one
  int max_message_bytes = 16 << 20;
  int max_threads = 64;  // for the services that answer synchronously
  TlsFiles tls;          // these two as MakeServerCredentials() takes them
  AdmitCall admit;
};

class GrpcServer {
 public:
  // InvalidArgument for an address that is none and for bad certificates, Unavailable when it cannot be had;
  // both say what to do. The services must outlive the server.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const GrpcServerOptions& options,
                                                           const std::vector<grpc::Service*>& services);
  ~GrpcServer();

  // Takes no new calls; those under way are cancelled after `patience`. Once only.
  void Stop(absl::Duration patience);
  int port() const { return port_; }

 private:
  GrpcServer(std::shared_ptr<grpc::ServerCredentials> credentials, std::unique_ptr<grpc::Server> server,
             int port);
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<grpc::Server> server_;
  const int port_;
};

// Handshakes that failed, of all servers of this process.
uint64_t FailedGrpcHandshakes();

}  // namespace pilotlight::collector
