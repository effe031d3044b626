// What agents and users do with a collector over gRPC, for tests.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pilotlight/v1/agents.grpc.pb.h"
#include "pilotlight/v1/ingest.grpc.pb.h"
#include "pilotlight/v1/query.grpc.pb.h"
#include "profile/wire.h"

namespace pilotlight {

inline std::shared_ptr<grpc::Channel> ConnectTo(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(),
                                   arguments);
}

// One agent's stream.
class AgentStream {
 public:
  AgentStream(int port, std::string agent, grpc_compression_algorithm compression = GRPC_COMPRESS_NONE)
      : agent_(std::move(agent)), channel_(ConnectTo(port)), stub_(v1::Ingest::NewStub(channel_)) {
    context_.set_compression_algorithm(compression);
    context_.set_wait_for_ready(true);
    stream_ = stub_->Stream(&context_);
  }
  ~AgentStream() { context_.TryCancel(); }

  bool SendHello(const std::string& node = "") {
    v1::StreamRequest request;
    request.mutable_hello()->set_agent(agent_);
    request.mutable_hello()->set_node(node);
    return stream_->Write(request);
  }

  // With this agent, `boot` and `sequence` instead of the window's own.
  bool Send(const Window& window, uint64_t sequence, const std::string& boot = "boot-1") {
    v1::StreamRequest request;
    encoder_.Encode(window, *request.mutable_window());
    request.mutable_window()->set_agent(agent_);
    request.mutable_window()->set_boot(boot);
    request.mutable_window()->set_sequence(sequence);
    return stream_->Write(request);
  }
  // Answers a command with this many samples.
  bool SendCapture(uint64_t command, uint64_t samples) {
    v1::StreamRequest request;
    request.mutable_command_result()->set_id(command);
    request.mutable_command_result()->mutable_capture()->set_samples(samples);
    return stream_->Write(request);
  }
  bool SendRequest(const v1::StreamRequest& request) { return stream_->Write(request); }

  // Nothing when the stream has ended.
  std::optional<v1::StreamResponse> Receive() {
    v1::StreamResponse response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }

  void HalfClose() { stream_->WritesDone(); }
  // How the stream ended, after the answers that were left.
  grpc::Status Finish() {
    while (Receive()) {
    }
    return stream_->Finish();
  }

 private:
  const std::string agent_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Ingest::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>> stream_;
  WindowEncoder encoder_;
};

// Sends one message of raw bytes to a streaming method and waits for one answer, or for the end.
struct RawAnswer {
  std::string message;  // empty when the stream ended without one
  grpc::Status status;  // OK when there was one
};

class RawCall : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  RawCall(int port, const std::string& method, absl::string_view bytes)
      : channel_(ConnectTo(port)), stub_(channel_) {
    const grpc::Slice slice(bytes.data(), bytes.size());
    request_ = grpc::ByteBuffer(&slice, 1);
    context_.set_wait_for_ready(true);
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  RawAnswer Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return done_; });
    return answer_;
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    grpc::Slice slice;
    response_.TrySingleSlice(&slice);
    answer_.message.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
    context_.TryCancel();
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (answer_.message.empty()) answer_.status = status;
    done_ = true;
    ended_.notify_one();
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  RawAnswer answer_;
};

class AgentsClient {
 public:
  explicit AgentsClient(int port) : stub_(v1::Agents::NewStub(ConnectTo(port))) {}

  std::vector<v1::Agent> List() {
    v1::ListAgentsResponse response;
    grpc::ClientContext context;
    stub_->List(&context, {}, &response);
    return {response.agents().begin(), response.agents().end()};
  }
  grpc::Status Capture(const std::string& node, absl::Duration duration) {
    v1::CaptureRequest request;
    request.set_node(node);
    request.set_duration_ns(absl::ToInt64Nanoseconds(duration));
    grpc::ClientContext context;
    return stub_->Capture(&context, request, &response_);
  }
  // The answer of the last Capture().
  const v1::CaptureResponse& response() const { return response_; }

 private:
  std::unique_ptr<v1::Agents::Stub> stub_;
  v1::CaptureResponse response_;
};

// Questions, with a readable failure.
class QueryClient {
 public:
  explicit QueryClient(int port) : stub_(v1::Query::NewStub(ConnectTo(port))) {}

  v1::Query::Stub& stub() { return *stub_; }

  // Samples of the selection, all together.
  uint64_t Samples(const std::string& selector, absl::Time start, absl::Time end) {
    v1::FlameGraphRequest request;
    request.mutable_selection()->set_selector(selector);
    request.mutable_selection()->set_start_unix_ns(absl::ToUnixNanos(start));
    request.mutable_selection()->set_end_unix_ns(absl::ToUnixNanos(end));
    v1::FlameGraphResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->FlameGraph(&context, request, &response);
    return status.ok() ? response.quality().samples() : UINT64_MAX;
  }

 private:
  std::unique_ptr<v1::Query::Stub> stub_;
};

}  // namespace pilotlight
