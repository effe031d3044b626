#include "collector/api/ingest_service.h"

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "collector/api/log_limit.h"
#include "collector/api/status.h"
#include "collector/api/worker_pool.h"
#include "pilotlight/v1/ingest.grpc.pb.h"

namespace pilotlight::collector {
namespace {

// A broken agent reconnects every few seconds.
void WarnSeldom(const std::string& message) {
  static LogLimit& limit = *new LogLimit(/*per_minute=*/20);
  const auto held_back = limit.Allow();
  if (!held_back) return;
  if (*held_back > 0) spdlog::warn("{} more streams were ended or refused before this", *held_back);
  spdlog::warn("{}", message);
}

// Raw bytes, because gRPC reports a message that it cannot parse just like the end of a stream.
using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

class StreamReactor;

// The streams that are open now.
class StreamRegistry {
 public:
  void Add(const std::shared_ptr<StreamReactor>& stream) {
    const MutexLock lock(mutex_);
    streams_.emplace(stream.get(), stream);
  }
  void Remove(StreamReactor* stream) {
    std::shared_ptr<StreamReactor> last;  // destroyed outside the lock
    const MutexLock lock(mutex_);
    const auto found = streams_.find(stream);
    last = std::move(found->second);
    streams_.erase(found);
    if (streams_.empty()) empty_.NotifyAll();
  }
  std::vector<std::shared_ptr<StreamReactor>> All() {
    const MutexLock lock(mutex_);
    std::vector<std::shared_ptr<StreamReactor>> all;
    for (const auto& entry : streams_) all.push_back(entry.second);
    return all;
  }
  bool WaitUntilEmpty(absl::Duration patience) {
    const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience);
    const MutexLock lock(mutex_);
    while (!streams_.empty()) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= left.zero()) return false;
      empty_.WaitFor(mutex_, absl::FromChrono(left));
    }
    return true;
  }
  bool stopping() {
    const MutexLock lock(mutex_);
    return stopping_;
  }
  void SetStopping() {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }

 private:
  Mutex mutex_;
  CondVar empty_;
  absl::flat_hash_map<StreamReactor*, std::shared_ptr<StreamReactor>> streams_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// Turns in a circle: read, process in the pool, answer, read. Lives until gRPC's OnDone(), which comes once
// Finish() was called and no operation is under way.
//
// Stop() may come at any time, but Finish() must not come before another operation is started. So whoever
// works for the stream has a hold on it, and when it is to stop, the one who lets go last finishes it.
class StreamReactor : public Reactor, public std::enable_shared_from_this<StreamReactor> {
 public:
  StreamReactor(IngestContext& context, WorkerPool& pool, StreamRegistry& registry, std::string peer)
      : context_(context), pool_(pool), registry_(registry), peer_(std::move(peer)), stream_(context) {}

  // REQUIRES: registered.
  void Begin() {
    const auto self = shared_from_this();
    open_ = context_.OpenStream();
    if (!open_) {
      WarnSeldom(absl::StrCat("refused the stream of ", peer_, ": ", context_.limits().max_streams,
                              " agents are connected already (--ingest.max-streams)"));
      FinishOnce(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many agents are connected"));
      return;
    }
    StartRead(&request_);
    LetGo();
  }

  void Stop() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      if (holds_ > 0) return;
    }
    FinishOnce(Unavailable());
  }

 private:
  static grpc::Status Unavailable() {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the collector is shutting down");
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      FinishOnce(grpc::Status::OK);  // the agent is done, or gone
      return;
    }
    {
      const MutexLock lock(mutex_);
      if (finished_) return;  // stopped meanwhile; the agent will send this again
      ++holds_;
    }
    pool_.Run([self = shared_from_this()] { self->Process(); });
  }

  // In the pool.
  void Process() {
    IngestStream::Outcome outcome = ReceiveRequest();
    request_.Clear();
    end_ = std::move(outcome.status);
    if (!end_.ok()) {
      WarnSeldom(absl::StrCat("ended the stream of agent \"", stream_.agent(), "\" (", peer_,
                              "): ", end_.message()));
    }
    if (!outcome.response) {
      Continue();
      return;
    }
    bool own_buffer = false;
    response_.Clear();  // gRPC aborts when it serializes a longer answer into a buffer that is not empty
    grpc::SerializationTraits<v1::StreamResponse>::Serialize(*outcome.response, &response_, &own_buffer);
    {
      // gRPC orders this thread's work before what follows the write, but ThreadSanitizer cannot see into it;
      // it sees this lock and the one in Continue().
      const MutexLock lock(mutex_);
    }
    StartWrite(&response_);
  }

  IngestStream::Outcome ReceiveRequest() {
    google::protobuf::Arena arena;
    auto* message = google::protobuf::Arena::CreateMessage<v1::StreamRequest>(&arena);
    const size_t bytes = request_.Length();
    if (!grpc::SerializationTraits<v1::StreamRequest>::Deserialize(&request_, message).ok()) {
      return stream_.ReceiveGarbage();
    }
    return stream_.Receive(*message, bytes);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the agent is gone"));
      return;
    }
    Continue();
  }

  void Continue() {
    const auto self = shared_from_this();
    if (!end_.ok()) {
      FinishOnce(ToGrpcStatus(end_));
      return;
    }
    bool stop = false;
    {
      const MutexLock lock(mutex_);
      stop = stopping_;
    }
    if (!stop) StartRead(&request_);
    LetGo();
  }

  // REQUIRES: the caller has a hold and keeps the stream alive.
  void LetGo() {
    {
      const MutexLock lock(mutex_);
      if (--holds_ > 0 || !stopping_) return;
    }
    FinishOnce(Unavailable());
  }

  void FinishOnce(const grpc::Status& status) {
    {
      const MutexLock lock(mutex_);
      if (finished_) return;
      finished_ = true;
    }
    Finish(status);
  }

  void OnDone() override {
    if (open_) context_.CloseStream();
    registry_.Remove(this);
  }

  IngestContext& context_;
  WorkerPool& pool_;
  StreamRegistry& registry_;
  const std::string peer_;
  IngestStream stream_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  absl::Status end_;
  bool open_ = false;

  Mutex mutex_;
  int holds_ ABSL_GUARDED_BY(mutex_) = 1;  // Begin() has the first
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

class IngestService::Impl : public v1::Ingest::WithRawCallbackMethod_Stream<v1::Ingest::Service> {
 public:
  Impl(IngestContext& context, size_t threads) : context_(context), pool_(threads) {}

  Reactor* Stream(grpc::CallbackServerContext* call) override {
    const auto stream = std::make_shared<StreamReactor>(context_, pool_, registry_, call->peer());
    registry_.Add(stream);
    // A stream that came too late for StopAll().
    if (registry_.stopping()) stream->Stop();
    stream->Begin();
    return stream.get();
  }

  bool Stop(absl::Duration patience) {
    registry_.SetStopping();
    for (const auto& stream : registry_.All()) stream->Stop();
    return registry_.WaitUntilEmpty(patience);
  }

 private:
  IngestContext& context_;
  StreamRegistry registry_;
  WorkerPool pool_;  // destroyed first: its work uses the registry
};

IngestService::IngestService(IngestContext& context, size_t threads)
    : impl_(std::make_unique<Impl>(context, threads)) {}

IngestService::~IngestService() = default;

grpc::Service& IngestService::service() { return *impl_; }

bool IngestService::Stop(absl::Duration patience) { return impl_->Stop(patience); }

}  // namespace pilotlight::collector
