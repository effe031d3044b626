// One attempt at a stream to the collector, as events in the thread that asks for them.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/client_access.h"
#include "base/mutex.h"
#include "pilotlight/v1/ingest.grpc.pb.h"

namespace pilotlight::agent {

// The events of all streams of one sender, and a way to wake it from other threads.
class EventQueue {
 public:
  EventQueue() = default;
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue();

  // Thread-safe: makes Wait() of the owning thread return kWoken soon, once for any number of calls.
  void Wake();

  enum class Event { kTimeout, kWoken, kStarted, kRead, kWritten, kWritesDone, kFinished };
  struct Result {
    Event event = Event::kTimeout;
    bool ok = true;
  };
  // On the monotonic clock. REQUIRES: called by the owning thread alone.
  Result Wait(absl::Duration timeout);

  grpc::CompletionQueue& completions() { return completions_; }

 private:
  grpc::CompletionQueue completions_;
  Mutex mutex_;
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  // A fresh one each time: the last has fired, but its event may still be on its way through gRPC.
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
};

// Of one stream.
struct ChannelSecurity {
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::string server_name;    // ClientAccess::server_name
  std::string authorization;  // ClientSecrets::authorization
  std::string tenant;         // ClientAccess::tenant
};
absl::StatusOr<ChannelSecurity> ReadChannelSecurity(const ClientAccess& access);

// Starts connecting when it is made. Each operation's end is an event of `queue`; the caller keeps at most
// one read and one write going. REQUIRES: Finish() had its event before it is destroyed.
class IngestStream {
 public:
  IngestStream(const std::string& collector, const ChannelSecurity& security, EventQueue& queue);

  void Read(v1::StreamResponse& response);
  void Write(const v1::StreamRequest& request);
  void WritesDone();
  // All operations going on end soon, without success.
  void Cancel() { context_.TryCancel(); }
  // REQUIRES: the last read ended without success, no write is going on.
  void Finish();
  // REQUIRES: Finish() had its event.
  const grpc::Status& status() const { return status_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Ingest::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::StreamRequest, v1::StreamResponse>> call_;
  grpc::Status status_;
};

}  // namespace pilotlight::agent
