#include "tests/load/fleet.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "pilotlight/v1/ingest.grpc.pb.h"

namespace grpc::internal {

// grpc::ByteBuffer lets this class, which gRPC's own tests define, at the grpc_byte_buffer inside: the C++
// API has no other way to a message that is compressed already.
class GrpcByteBufferPeer {
 public:
  static ByteBuffer Compressed(const std::string& deflated) {
    grpc_slice slice = grpc_slice_from_copied_buffer(deflated.data(), deflated.size());
    ByteBuffer buffer;
    buffer.set_buffer(grpc_raw_compressed_byte_buffer_create(&slice, 1, GRPC_COMPRESS_DEFLATE));
    grpc_slice_unref(slice);
    return buffer;
  }
};

}  // namespace grpc::internal

namespace pilotlight::load {
namespace {

constexpr char kMethod[] = "/pilotlight.v1.Ingest/Stream";

// As agents connect, see agent/uplink/ingest_stream.cc.
std::shared_ptr<grpc::Channel> Connect(const FleetConnection& connection) {
  grpc::ChannelArguments arguments;
  if (connection.compress) arguments.SetCompressionAlgorithm(GRPC_COMPRESS_DEFLATE);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const std::string& authorities = connection.secrets.pem.ca;
  return grpc::CreateCustomChannel(connection.collector,
                                   authorities.empty()
                                       ? grpc::InsecureChannelCredentials()
                                       : grpc::SslCredentials({.pem_root_certs = authorities}),
                                   arguments);
}

// As gRPC compresses with GRPC_COMPRESS_DEFLATE, but at zlib's fastest level and without a new state each
// time: that takes a third of the time, and is no less for the collector to inflate.
std::string Deflate(const std::string& bytes) {
  struct State {
    z_stream stream{};
    State() { CHECK(::deflateInit(&stream, Z_BEST_SPEED) == Z_OK); }  // fails only without memory
    ~State() { ::deflateEnd(&stream); }
  };
  thread_local State state;
  z_stream& stream = state.stream;
  ::deflateReset(&stream);
  std::string deflated(::deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(deflated.data());
  stream.avail_out = static_cast<uInt>(deflated.size());
  CHECK(::deflate(&stream, Z_FINISH) == Z_STREAM_END);  // deflateBound() leaves room enough
  deflated.resize(stream.total_out);
  return deflated;
}

grpc::ByteBuffer ToBuffer(const std::string& bytes, bool compress) {
  if (compress) return grpc::internal::GrpcByteBufferPeer::Compressed(Deflate(bytes));
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

// One stream. A read is always under way, and a write whenever there is a window to be sent. gRPC's hold is
// ours until the stream has ended and no write is under way, so Allow() may start one from any thread.
class Fleet::Agent : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Agent(Fleet& fleet, size_t number, uint64_t acknowledged)
      : fleet_(fleet),
        number_(number),
        acknowledged_(acknowledged),
        sent_(acknowledged),
        last_(acknowledged) {}

  ~Agent() override {
    const MutexLock lock(mutex_);
    if (channel_ == nullptr) return;
    context_.TryCancel();
    while (!done_) changed_.Wait(mutex_);
  }

  // Sends the windows up to `last`; connects before the first.
  void Allow(uint64_t last) {
    std::shared_ptr<grpc::Channel> fresh;
    {
      const MutexLock lock(mutex_);
      if (last <= last_ || done_) return;
      if (acknowledged_ == last_) fleet_.OneIsBusy();
      last_ = last;
      if (channel_ == nullptr) {
        fresh = channel_ = Connect(fleet_.connection_);
        writing_ = true;  // the hello
      }
    }
    if (fresh != nullptr) {
      Begin(fresh);
    } else {
      SendNext();
    }
  }

  struct Progress {
    uint64_t acknowledged = 0;  // number of the last window
    uint64_t answers = 0;       // acknowledgements on this stream
    uint64_t sent_bytes = 0;
    uint64_t max_dictionary_bytes = 0;
    absl::Status status;
  };
  Progress progress() const {
    const MutexLock lock(mutex_);
    return {acknowledged_, answers_, sent_bytes_, max_dictionary_bytes_, status_};
  }
  void TakeTimes(std::vector<absl::Duration>& times) {
    const MutexLock lock(mutex_);
    times.insert(times.end(), times_.begin(), times_.end());
    times_.clear();
  }

 private:
  void Begin(const std::shared_ptr<grpc::Channel>& channel) {
    context_.set_wait_for_ready(true);
    const std::string& authorization = fleet_.connection_.secrets.authorization;
    if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
    stub_ = std::make_unique<grpc::GenericStub>(channel);
    stub_->PrepareBidiStreamingCall(&context_, kMethod, {}, this);
    v1::StreamRequest hello;
    hello.mutable_hello()->set_agent(fleet_.windows_.AgentName(number_));
    hello.mutable_hello()->set_version("load");
    hello.mutable_hello()->set_node(fleet_.windows_.NodeName(number_));
    request_ = ToBuffer(hello.SerializeAsString(), /*compress=*/false);
    AddHold();
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  void SendNext() {
    uint64_t sequence = 0;
    bool opens_stream = false;
    {
      const MutexLock lock(mutex_);
      if (ended_ || writing_ || sent_ >= last_ || sent_times_.size() >= fleet_.connection_.max_in_flight)
        return;
      writing_ = true;
      opens_stream = !std::exchange(has_opened_, true);
      sequence = ++sent_;
      sent_times_.push_back(absl::Now());
    }
    thread_local std::string bytes;  // keeps its room
    fleet_.windows_.Encode(number_, sequence, opens_stream, bytes);
    grpc::ByteBuffer request = ToBuffer(bytes, fleet_.connection_.compress);
    {
      const MutexLock lock(mutex_);
      sent_bytes_ += bytes.size();
      request_.Swap(&request);
    }
    StartWrite(&request_);
  }

  void OnWriteDone(bool ok) override {
    bool let_go = false;
    {
      const MutexLock lock(mutex_);
      writing_ = false;
      let_go = ended_;
    }
    if (let_go) {
      RemoveHold();
    } else if (ok) {  // else the read will fail as well
      SendNext();
    }
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      Receive();
      SendNext();
      StartRead(&response_);
      return;
    }
    bool let_go = false;
    {
      const MutexLock lock(mutex_);
      ended_ = true;
      let_go = !writing_;
    }
    if (let_go) RemoveHold();
  }

  void Receive() {
    const MutexLock lock(mutex_);
    v1::StreamResponse response;
    const bool parsed =
        grpc::SerializationTraits<v1::StreamResponse>::Deserialize(&response_, &response).ok();
    if (parsed && response.has_command()) return;
    if (!parsed || !response.has_acknowledgement() || sent_times_.empty()) {
      status_ = absl::FailedPreconditionError(
          absl::StrCat("a window was not acknowledged: ",
                       response.has_refusal() ? response.refusal().reason() : response.ShortDebugString()));
      context_.TryCancel();
      return;
    }
    times_.push_back(absl::Now() - sent_times_.front());
    sent_times_.pop_front();
    ++answers_;
    acknowledged_ = response.acknowledgement().sequence();
    max_dictionary_bytes_ = response.acknowledgement().max_dictionary_bytes();
    if (acknowledged_ == last_) fleet_.OneIsIdle();
  }

  void OnDone(const grpc::Status& status) override {
    const MutexLock lock(mutex_);
    if (status_.ok()) {
      status_ = absl::UnavailableError(absl::StrCat("the stream ended: ", status.error_message()));
    }
    if (acknowledged_ < last_) fleet_.OneIsIdle();
    done_ = true;
    changed_.NotifyAll();
  }

  Fleet& fleet_;
  const size_t number_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::ClientContext context_;
  // Each has one owner at a time, but ThreadSanitizer cannot see how gRPC hands them on: used under the
  // mutex.
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);  // set before the stream begins
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_);
  uint64_t sent_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_ ABSL_GUARDED_BY(mutex_);  // that may be sent
  uint64_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t sent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t max_dictionary_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<absl::Time> sent_times_ ABSL_GUARDED_BY(mutex_);  // of the windows in flight
  std::vector<absl::Duration> times_ ABSL_GUARDED_BY(mutex_);
  bool has_opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

Fleet::Fleet(const FleetWindows& windows, const FleetConnection& connection,
             std::vector<uint64_t> acknowledged)
    : windows_(windows), connection_(connection) {
  acknowledged.resize(windows.options().agents);
  agents_.reserve(acknowledged.size());
  for (size_t i = 0; i < acknowledged.size(); ++i) {
    agents_.push_back(std::make_unique<Agent>(*this, i, acknowledged[i]));
  }
}

Fleet::~Fleet() = default;

absl::Status Fleet::SendUpTo(uint64_t last) {
  for (const auto& agent : agents_) agent->Allow(last);
  return WaitUntilIdle();
}

absl::Status Fleet::SendInStep(uint64_t last, absl::Duration interval) {
  absl::Time step = absl::Now();
  for (; in_step_ < last; step += interval) {
    ++in_step_;
    for (size_t i = 0; i < agents_.size(); ++i) {
      const absl::Duration phase = interval * static_cast<int64_t>(i) / static_cast<int64_t>(agents_.size());
      absl::SleepFor(step + phase - absl::Now());
      agents_[i]->Allow(in_step_);
    }
  }
  return WaitUntilIdle();
}

absl::Status Fleet::WaitUntilIdle() {
  {
    const MutexLock lock(mutex_);
    while (busy_ > 0) changed_.Wait(mutex_);
  }
  for (const auto& agent : agents_) {
    if (absl::Status status = agent->progress().status; !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Fleet::OneIsBusy() {
  const MutexLock lock(mutex_);
  ++busy_;
}

void Fleet::OneIsIdle() {
  const MutexLock lock(mutex_);
  if (--busy_ == 0) changed_.NotifyAll();
}

std::vector<uint64_t> Fleet::acknowledged() const {
  std::vector<uint64_t> acknowledged;
  acknowledged.reserve(agents_.size());
  for (const auto& agent : agents_) acknowledged.push_back(agent->progress().acknowledged);
  return acknowledged;
}

uint64_t Fleet::acknowledged_profiles() const {
  uint64_t profiles = 0;
  for (size_t i = 0; i < agents_.size(); ++i) {
    profiles += agents_[i]->progress().answers * windows_.profiles_per_window(i);
  }
  return profiles;
}

uint64_t Fleet::sent_bytes() const {
  uint64_t bytes = 0;
  for (const auto& agent : agents_) bytes += agent->progress().sent_bytes;
  return bytes;
}

uint64_t Fleet::max_dictionary_bytes() const { return agents_.back()->progress().max_dictionary_bytes; }

std::vector<absl::Duration> Fleet::TakeAcknowledgementTimes() {
  std::vector<absl::Duration> times;
  for (const auto& agent : agents_) agent->TakeTimes(times);
  return times;
}

}  // namespace pilotlight::load
