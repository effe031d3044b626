#include "agent/uplink/uplink.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/uplink/collector_address.h"
#include "agent/uplink/ingest_stream.h"
#include "agent/uplink/log_limit.h"
#include "base/status_macros.h"
#include "profile/wire.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

using Monotonic = std::chrono::steady_clock;

absl::Duration Until(Monotonic::time_point time) {
  return std::max(absl::FromChrono(time - Monotonic::now()), absl::ZeroDuration());
}

absl::Status ToStatus(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

// A window too large for the collector's gRPC ends the stream with the code of a full disk; only the text
// tells them apart (gRPC 1.51, src/core/ext/filters/message_size/message_size_filter.cc).
bool IsTooLargeMessage(const absl::Status& status) {
  return absl::IsResourceExhausted(status) && absl::StrContains(status.message(), "message larger than max");
}

struct InFlight {
  uint64_t position = 0;  // in the spool
  std::string boot;
  uint64_t sequence = 0;
};

// What waits to be sent on one stream. Thread-safe; outlives the stream when someone is late.
class CommandResults {
 public:
  explicit CommandResults(EventQueue& queue) : queue_(&queue) {}

  void Put(v1::CommandResult result) {
    const MutexLock lock(mutex_);
    if (queue_ == nullptr) return;
    results_.push_back(std::move(result));
    queue_->Wake();
  }
  std::optional<v1::CommandResult> Take() {
    const MutexLock lock(mutex_);
    if (results_.empty()) return std::nullopt;
    v1::CommandResult result = std::move(results_.front());
    results_.pop_front();
    return result;
  }
  // Nothing is taken any more, and the queue not used.
  void Close() {
    const MutexLock lock(mutex_);
    queue_ = nullptr;
  }

 private:
  Mutex mutex_;
  EventQueue* queue_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::CommandResult> results_ ABSL_GUARDED_BY(mutex_);
};

// One stream's state, of the sender's thread.
struct Session {
  Session(const UplinkOptions& options, const ChannelSecurity& security, EventQueue& queue)
      : stream(options.collector, security, queue),
        encoder(options.max_dictionary_bytes),
        results(std::make_shared<CommandResults>(queue)) {
    // Until the first acknowledgement tells how much. Thousands of agents may connect at once.
    encoder.set_receiver_bytes(size_t{64} << 10);
  }
  ~Session() { results->Close(); }

  IngestStream stream;
  WindowEncoder encoder;
  v1::StreamRequest request;    // of the write that is going on
  v1::StreamResponse response;  // of the read that is going on
  std::deque<InFlight> in_flight;
  const std::shared_ptr<CommandResults> results;
  uint64_t cursor = 0;  // the last window sent, by its position
  Monotonic::time_point last_progress = Monotonic::now();
  std::string trouble;  // why we cancelled it
  bool started = false;
  bool writing = false;
  bool half_closed = false;  // no more writes
  bool read_ended = false;
  bool cancelled = false;
  bool finishing = false;
};

}  // namespace

// Owns the thread. `mutex_` guards what other threads see; all else is the thread's.
class Uplink::Sender {
 public:
  Sender(const UplinkOptions& options, Spool& spool)
      : options_(options), spool_(spool), random_(std::random_device()()), backoff_(options.min_backoff) {}
  ~Sender() { Stop(absl::ZeroDuration()); }

  void Start();
  void Stop(absl::Duration flush);
  UplinkStats stats() const;

 private:
  void Run();
  void Pause();
  void RunStream();
  absl::Duration TimeLeft(const Session& session) const;
  void Advance(Session& session);
  void OnStarted(Session& session);
  void OnResponse(Session& session);
  void OnCommand(const Session& session, const v1::Command& command);
  void OnFinished(Session& session);
  void Blame(uint64_t position, const absl::Status& status, size_t in_flight);
  void Report(const absl::Status& status, const std::string& trouble);
  // The flush's deadline once Stop() was called.
  std::optional<Monotonic::time_point> stop_deadline() const;

  const UplinkOptions options_;
  Spool& spool_;
  EventQueue queue_;
  std::thread thread_;

  std::minstd_rand random_;
  absl::Duration backoff_;
  // While positive one window goes at a time: a stream broke with several in flight, and only so is it known
  // which one breaks it.
  size_t careful_windows_ = 0;
  uint64_t suspect_ = 0;  // position of the window at whose turn the last stream was broken
  int suspect_breaks_ = 0;
  bool ever_connected_ = false;
  bool announced_trouble_ = true;  // so that the first connection is announced
  LogLimit trouble_log_;

  mutable Mutex mutex_;
  UplinkStats stats_ ABSL_GUARDED_BY(mutex_);
  std::optional<Monotonic::time_point> stop_deadline_ ABSL_GUARDED_BY(mutex_);
};

void Uplink::Sender::Start() {
  spool_.SetListener([this] { queue_.Wake(); });
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "uplink");
    Run();
  });
}

void Uplink::Sender::Stop(absl::Duration flush) {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    stop_deadline_ = Monotonic::now() + absl::ToChronoNanoseconds(flush);
  }
  queue_.Wake();
  thread_.join();
  spool_.SetListener(nullptr);
}

UplinkStats Uplink::Sender::stats() const {
  const MutexLock lock(mutex_);
  return stats_;
}

std::optional<Monotonic::time_point> Uplink::Sender::stop_deadline() const {
  const MutexLock lock(mutex_);
  return stop_deadline_;
}

void Uplink::Sender::Run() {
  bool last_try = false;
  while (true) {
    if (const auto deadline = stop_deadline(); deadline.has_value()) {
      if (last_try || spool_.empty() || Monotonic::now() >= *deadline) return;
      last_try = true;
    }
    RunStream();
    Pause();
  }
}

void Uplink::Sender::Pause() {
  const absl::Duration wait = backoff_ * std::uniform_real_distribution<double>(0.5, 1)(random_);
  const auto until = Monotonic::now() + absl::ToChronoNanoseconds(wait);
  backoff_ = std::min(backoff_ * 2, options_.max_backoff);
  while (!stop_deadline().has_value()) {
    if (queue_.Wait(Until(until)).event == EventQueue::Event::kTimeout) return;
  }
}

void Uplink::Sender::RunStream() {
  const absl::StatusOr<ChannelSecurity> security = ReadChannelSecurity(options_.access);
  if (!security.ok()) {
    Report(security.status(), "");
    return;
  }
  Session session(options_, *security, queue_);
  while (true) {
    const EventQueue::Result result = queue_.Wait(TimeLeft(session));
    switch (result.event) {
      case EventQueue::Event::kTimeout:
        session.trouble = session.started ? "no answer from the collector" : "no connection in time";
        session.cancelled = true;
        session.stream.Cancel();
        break;
      case EventQueue::Event::kWoken:
        break;
      case EventQueue::Event::kStarted:
        if (result.ok) {
          OnStarted(session);
        } else {
          session.read_ended = true;
        }
        break;
      case EventQueue::Event::kRead:
        if (result.ok) {
          OnResponse(session);
          session.stream.Read(session.response);
        } else {
          session.read_ended = true;
        }
        break;
      case EventQueue::Event::kWritten:
      case EventQueue::Event::kWritesDone:
        // Without success the stream has ended, which the read will tell.
        session.writing = false;
        break;
      case EventQueue::Event::kFinished:
        OnFinished(session);
        return;
    }
    Advance(session);
  }
}

absl::Duration Uplink::Sender::TimeLeft(const Session& session) const {
  // gRPC ends the operations of a cancelled or ended stream by itself.
  if (session.cancelled || session.finishing) return absl::InfiniteDuration();
  absl::Duration left = absl::InfiniteDuration();
  const auto since = session.last_progress;
  if (!session.started) {
    left = Until(since + absl::ToChronoNanoseconds(options_.connect_timeout));
  } else if (session.writing || !session.in_flight.empty()) {
    left = Until(since + absl::ToChronoNanoseconds(options_.answer_timeout));
  }
  if (const auto deadline = stop_deadline(); deadline.has_value()) left = std::min(left, Until(*deadline));
  return left;
}

void Uplink::Sender::Advance(Session& session) {
  if (session.finishing) return;
  if (session.read_ended) {
    if (session.writing) return;
    session.finishing = true;
    session.stream.Finish();
    return;
  }
  if (!session.started || session.writing || session.half_closed || session.cancelled) return;

  if (std::optional<v1::CommandResult> result = session.results->Take(); result.has_value()) {
    session.request.Clear();
    *session.request.mutable_command_result() = *std::move(result);
    if (session.in_flight.empty()) session.last_progress = Monotonic::now();
    session.writing = true;
    session.stream.Write(session.request);
    return;
  }
  const size_t limit = careful_windows_ > 0 ? 1 : options_.max_in_flight;
  if (session.in_flight.size() >= limit) return;
  if (std::optional<SpooledWindow> next = spool_.NextAfter(session.cursor); next.has_value()) {
    session.cursor = next->position;
    session.request.Clear();
    session.encoder.Encode(next->window, *session.request.mutable_window());
    // The answer's time-out runs from the first window that waits for one.
    if (session.in_flight.empty()) session.last_progress = Monotonic::now();
    session.in_flight.push_back(
        {.position = next->position, .boot = next->window.boot, .sequence = next->window.sequence});
    session.writing = true;
    const size_t bytes = session.request.ByteSizeLong();
    session.stream.Write(session.request);
    const MutexLock lock(mutex_);
    ++stats_.sent_windows;
    stats_.sent_bytes += bytes;
    return;
  }
  if (session.in_flight.empty() && stop_deadline().has_value()) {
    session.half_closed = true;
    session.writing = true;
    session.stream.WritesDone();
  }
}

void Uplink::Sender::OnStarted(Session& session) {
  session.started = true;
  session.last_progress = Monotonic::now();
  session.stream.Read(session.response);
  v1::Hello& hello = *session.request.mutable_hello();
  hello.set_agent(spool_.agent());
  hello.set_version(options_.version);
  hello.set_node(options_.node);
  session.writing = true;
  session.stream.Write(session.request);

  if (announced_trouble_) spdlog::info("connected to the collector at {}", options_.collector);
  announced_trouble_ = false;
  const MutexLock lock(mutex_);
  stats_.connected = true;
  stats_.last_error.clear();
  if (ever_connected_) ++stats_.reconnects;
  ever_connected_ = true;
}

void Uplink::Sender::OnResponse(Session& session) {
  const v1::StreamResponse& response = session.response;
  if (response.has_command()) {
    OnCommand(session, response.command());
    return;
  }
  const bool refused = response.has_refusal();
  if (!refused && !response.has_acknowledgement()) return;  // of a newer protocol
  const std::string& boot = refused ? response.refusal().boot() : response.acknowledgement().boot();
  const uint64_t sequence = refused ? response.refusal().sequence() : response.acknowledgement().sequence();
  const auto window = std::find_if(
      session.in_flight.begin(), session.in_flight.end(),
      [&boot, sequence](const InFlight& sent) { return sent.sequence == sequence && sent.boot == boot; });
  if (window == session.in_flight.end()) return;
  if (!refused) session.encoder.set_receiver_bytes(response.acknowledgement().max_dictionary_bytes());
  const uint64_t position = window->position;
  session.in_flight.erase(window);
  session.last_progress = Monotonic::now();
  backoff_ = options_.min_backoff;
  if (careful_windows_ > 0) --careful_windows_;
  {
    // First, so that nobody sees a window gone from the spool that is not counted.
    const MutexLock lock(mutex_);
    ++(refused ? stats_.refused_windows : stats_.acknowledged_windows);
  }
  if (refused) {
    spool_.Drop(position, "refused", /*keep=*/false, response.refusal().reason());
  } else {
    spool_.Remove(position);
  }
}

void Uplink::Sender::OnCommand(const Session& session, const v1::Command& command) {
  if (!options_.on_command) return;
  options_.on_command(command, [results = session.results, id = command.id()](v1::CommandResult result) {
    result.set_id(id);
    results->Put(std::move(result));
  });
}

void Uplink::Sender::OnFinished(Session& session) {
  absl::Status status = ToStatus(session.stream.status());
  if (!session.in_flight.empty() && (absl::IsInvalidArgument(status) || IsTooLargeMessage(status))) {
    Blame(session.in_flight.front().position, status, session.in_flight.size());
  }
  const bool wanted = session.half_closed && status.ok();
  if (!wanted) Report(status, session.trouble);
  const MutexLock lock(mutex_);
  stats_.connected = false;
}

void Uplink::Sender::Blame(uint64_t position, const absl::Status& status, size_t in_flight) {
  careful_windows_ = std::max(careful_windows_, in_flight);
  suspect_breaks_ = position == suspect_ ? suspect_breaks_ + 1 : 1;
  suspect_ = position;
  if (suspect_breaks_ < options_.max_breaks) return;
  {
    const MutexLock lock(mutex_);
    ++stats_.refused_windows;
  }
  spool_.Drop(
      position, "refused", /*keep=*/true,
      absl::StrCat("the collector broke the stream at it ", suspect_breaks_, " times: ", status.message()));
  suspect_ = 0;
  --careful_windows_;
  backoff_ = options_.min_backoff;
}

void Uplink::Sender::Report(const absl::Status& status, const std::string& trouble) {
  std::string text = !trouble.empty() ? trouble
                     : status.ok()    ? "the collector ended the stream"
                                      : status.ToString();
  if (trouble_log_.Allow()) {
    spdlog::warn("no stream to the collector at {}: {}; windows wait in the spool", options_.collector, text);
    announced_trouble_ = true;
  }
  const MutexLock lock(mutex_);
  stats_.last_error = std::move(text);
}

absl::StatusOr<std::unique_ptr<Uplink>> Uplink::Create(const UplinkOptions& options, Spool& spool) {
  RETURN_IF_ERROR(CheckCollectorAddress(options.collector));
  return std::unique_ptr<Uplink>(new Uplink(std::make_unique<Sender>(options, spool)));
}

Uplink::Uplink(std::unique_ptr<Sender> sender) : sender_(std::move(sender)) {}

Uplink::~Uplink() = default;

void Uplink::Start() { sender_->Start(); }

void Uplink::Stop(absl::Duration flush) { sender_->Stop(flush); }

UplinkStats Uplink::stats() const { return sender_->stats(); }

}  // namespace pilotlight::agent
