#include "collector/api/ingest_service.h"

#include <google/protobuf/arena.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "collector/api/log_limit.h"
#include "collector/api/status.h"
#include "collector/api/worker_pool.h"
#include "collector/ingest/byte_budget.h"
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
// works for the stream has a hold on it, and when it is to stop, the one who lets go last finishes it. It
// must not come while a message is being written either: then it waits for that.
class StreamReactor : public Reactor, public std::enable_shared_from_this<StreamReactor> {
 public:
  // `admit` says whether a message may still come, and of which tenant.
  using Admit = std::function<absl::StatusOr<std::string>()>;
  StreamReactor(IngestContext& context, WorkerPool& pool, StreamRegistry& registry, std::string peer,
                std::string tenant, Admit admit)
      : context_(context),
        pool_(pool),
        registry_(registry),
        peer_(std::move(peer)),
        tenant_(std::move(tenant)),
        admit_(std::move(admit)),
        stream_(context, tenant_),
        budget_(context.limits().max_bytes_per_second) {}

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

  // See IngestService::Ask().
  void Ask(const v1::Command& command, const CommandDone& done) {
    v1::StreamResponse message;
    *message.mutable_command() = command;
    absl::Status refusal;
    {
      const MutexLock lock(mutex_);
      if (finished_ || stopping_) {
        refusal = Gone();
      } else if (asked_.size() >= kMaxAsked) {
        refusal = absl::ResourceExhaustedError("the agent has not answered many others yet");
      } else {
        message.mutable_command()->set_id(++last_command_);
        asked_.emplace(last_command_, done);
        ++holds_;
      }
    }
    if (!refusal.ok()) return done(refusal);
    Write(message, /*is_answer=*/false);
  }

  // Nothing before the hello.
  std::optional<ConnectedAgent> agent() {
    const MutexLock lock(mutex_);
    return connected_;
  }

  void Stop() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      if (alarm_ != nullptr) alarm_->Cancel();
      if (holds_ > 0) return;
    }
    FinishOnce(Unavailable());
  }

 private:
  static absl::Status Gone() { return absl::UnavailableError("the agent has gone; it may be back soon"); }
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

  static constexpr size_t kMaxAsked = 16;
  static constexpr absl::Duration kLongestWait = absl::Minutes(1);
  struct Outgoing {
    grpc::ByteBuffer message;
    bool is_answer = false;
  };

  // In the pool.
  void Process() {
    const bool knows_agent = !stream_.agent().empty();
    const absl::Duration wait = budget_.Spend(request_.Length(), SteadyNow());
    IngestStream::Outcome outcome;
    outcome.status = StillAdmitted();
    if (outcome.status.ok()) outcome = ReceiveRequest();
    // That of a tenant is for all its streams: were it cut off, many of them would bring more than it may.
    wait_ = std::max(std::min(wait, kLongestWait), outcome.wait);
    request_.Clear();
    if (!knows_agent && !stream_.agent().empty()) {
      const MutexLock lock(mutex_);
      connected_ = {.tenant = tenant_,
                    .agent = stream_.agent(),
                    .version = stream_.version(),
                    .node = stream_.node(),
                    .since = context_.clock().Now()};
    }
    end_ = std::move(outcome.status);
    if (!end_.ok()) {
      WarnSeldom(absl::StrCat("ended the stream of agent \"", stream_.agent(), "\" (", peer_,
                              "): ", end_.message()));
    }
    if (!outcome.response) {
      Continue();
      return;
    }
    Write(*outcome.response, /*is_answer=*/true);
  }

  absl::Status StillAdmitted() {
    const absl::StatusOr<std::string> tenant = admit_();
    if (!tenant.ok()) return tenant.status();
    if (*tenant == tenant_) return absl::OkStatus();
    return absl::PermissionDeniedError("the token is another tenant's by now");
  }

  // One message is under way at a time; the others wait. REQUIRES: the caller has a hold, which goes over to
  // the message.
  void Write(const v1::StreamResponse& message, bool is_answer) {
    Outgoing outgoing{.message = {}, .is_answer = is_answer};
    bool own_buffer = false;
    grpc::SerializationTraits<v1::StreamResponse>::Serialize(message, &outgoing.message, &own_buffer);
    const grpc::ByteBuffer* first = nullptr;
    {
      const MutexLock lock(mutex_);
      outgoing_.push_back(std::move(outgoing));
      if (writing_ || finished_) return;
      writing_ = true;
      first = &outgoing_.front().message;
    }
    StartWrite(first);
  }

  IngestStream::Outcome ReceiveRequest() {
    google::protobuf::Arena arena;
    auto* message = google::protobuf::Arena::CreateMessage<v1::StreamRequest>(&arena);
    const size_t bytes = request_.Length();
    if (!grpc::SerializationTraits<v1::StreamRequest>::Deserialize(&request_, message).ok()) {
      return stream_.ReceiveGarbage();
    }
    if (message->has_command_result()) {
      TakeResult(message->command_result());
      return {};
    }
    return stream_.Receive(*message, bytes);
  }

  // One that nobody waits for is ignored.
  void TakeResult(const v1::CommandResult& result) {
    CommandDone done;
    {
      const MutexLock lock(mutex_);
      const auto asked = asked_.find(result.id());
      if (asked == asked_.end()) return;
      done = std::move(asked->second);
      asked_.erase(asked);
    }
    done(result);
  }

  void OnWriteDone(bool ok) override {
    const auto self = shared_from_this();
    bool was_answer = false;
    const grpc::ByteBuffer* next = nullptr;
    std::optional<grpc::Status> final_status;
    {
      const MutexLock lock(mutex_);
      was_answer = outgoing_.front().is_answer;
      outgoing_.pop_front();
      if (finished_) {
        final_status = std::move(final_status_);
      } else if (ok && !outgoing_.empty()) {
        next = &outgoing_.front().message;
      }
      writing_ = next != nullptr;
    }
    if (final_status.has_value()) {
      Finish(*final_status);
      return;
    }
    if (next != nullptr) StartWrite(next);
    if (was_answer && !ok) {
      FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the agent is gone"));
    } else if (was_answer) {
      Continue();
    } else {
      LetGo();  // when the agent is gone, the read says so
    }
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
      if (!stop && wait_ > absl::ZeroDuration()) {
        // The hold waits too, and with it the stream stays. gRPC holds back what the agent sends meanwhile.
        context_.metrics().Throttled();
        alarm_ = std::make_unique<grpc::Alarm>();
        alarm_->Set(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(wait_),
                    [this](bool /*in_time*/) { Continue(); });
        wait_ = absl::ZeroDuration();
        return;
      }
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
      if (writing_) {
        final_status_ = status;
        return;
      }
    }
    Finish(status);
  }

  void OnDone() override {
    absl::flat_hash_map<uint64_t, CommandDone> asked;
    {
      const MutexLock lock(mutex_);
      asked = std::move(asked_);
    }
    for (const auto& [id, done] : asked) done(Gone());
    if (open_) context_.CloseStream();
    registry_.Remove(this);
  }

  IngestContext& context_;
  WorkerPool& pool_;
  StreamRegistry& registry_;
  const std::string peer_;
  const std::string tenant_;
  const Admit admit_;
  IngestStream stream_;
  ByteBudget budget_;
  absl::Duration wait_;  // before the next read
  grpc::ByteBuffer request_;
  absl::Status end_;
  bool open_ = false;

  Mutex mutex_;
  int holds_ ABSL_GUARDED_BY(mutex_) = 1;  // Begin() has the first
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mutex_);             // the first is being written
  std::optional<grpc::Status> final_status_ ABSL_GUARDED_BY(mutex_);  // of a finish that waits for a write
  std::optional<ConnectedAgent> connected_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_command_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, CommandDone> asked_ ABSL_GUARDED_BY(mutex_);  // by the command's id
};

}  // namespace

class IngestService::Impl : public v1::Ingest::WithRawCallbackMethod_Stream<v1::Ingest::Service> {
 public:
  Impl(IngestContext& context, size_t threads, AdmitCall admit)
      : context_(context), admit_(std::move(admit)), pool_(threads) {}

  Reactor* Stream(grpc::CallbackServerContext* call) override {
    StreamReactor::Admit admit = [this, headers = HeadersOf(*call)] {
      return admit_("/pilotlight.v1.Ingest/Stream", headers);
    };
    absl::StatusOr<std::string> tenant = admit();
    if (!tenant.ok()) return Refuse(tenant.status());
    const auto stream = std::make_shared<StreamReactor>(context_, pool_, registry_, call->peer(),
                                                        *std::move(tenant), std::move(admit));
    registry_.Add(stream);
    // A stream that came too late for StopAll().
    if (registry_.stopping()) stream->Stop();
    stream->Begin();
    return stream.get();
  }

  std::vector<ConnectedAgent> agents(const std::string& tenant) {
    std::vector<ConnectedAgent> agents;
    for (const auto& stream : registry_.All()) {
      if (auto agent = stream->agent(); agent && agent->tenant == tenant) agents.push_back(*std::move(agent));
    }
    std::ranges::sort(agents, {}, [](const ConnectedAgent& a) { return std::tie(a.node, a.agent); });
    return agents;
  }

  void Ask(const std::string& tenant, const std::string& node, const v1::Command& command,
           const CommandDone& done) {
    std::shared_ptr<StreamReactor> last;
    absl::Time last_since = absl::InfinitePast();
    size_t connected = 0;
    for (const auto& stream : registry_.All()) {
      const auto agent = stream->agent();
      if (!agent.has_value() || agent->tenant != tenant) continue;
      ++connected;
      if (agent->node != node || agent->since < last_since) continue;
      last = stream;
      last_since = agent->since;
    }
    if (last != nullptr) return last->Ask(command, done);
    done(absl::NotFoundError(absl::StrCat("no agent of node \"", node, "\" among the ", connected,
                                          " that are connected; pilotlight agents lists them")));
  }

  bool Stop(absl::Duration patience) {
    registry_.SetStopping();
    for (const auto& stream : registry_.All()) stream->Stop();
    return registry_.WaitUntilEmpty(patience);
  }

 private:
  static Reactor* Refuse(const absl::Status& status) {
    class Refusal final : public Reactor {
     public:
      explicit Refusal(const grpc::Status& status) { Finish(status); }
      void OnDone() override { delete this; }
    };
    return new Refusal(ToGrpcStatus(status));
  }

  IngestContext& context_;
  const AdmitCall admit_;
  StreamRegistry registry_;
  WorkerPool pool_;  // destroyed first: its work uses the registry
};

IngestService::IngestService(IngestContext& context, size_t threads, AdmitCall admit)
    : impl_(std::make_unique<Impl>(context, threads, std::move(admit))) {}

IngestService::~IngestService() = default;

grpc::Service& IngestService::service() { return *impl_; }

std::vector<ConnectedAgent> IngestService::agents(const std::string& tenant) { return impl_->agents(tenant); }

void IngestService::Ask(const std::string& tenant, const std::string& node, const v1::Command& command,
                        const CommandDone& done) {
  impl_->Ask(tenant, node, command, done);
}

bool IngestService::Stop(absl::Duration patience) { return impl_->Stop(patience); }

}  // namespace pilotlight::collector
