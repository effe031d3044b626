#include "collector/ingest/ingest_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/ingest/window_checks.h"

namespace pilotlight::collector {
namespace {

constexpr size_t kMaxHelloNameBytes = 256;

v1::StreamResponse Refuse(const std::string& boot, uint64_t sequence, absl::string_view reason) {
  v1::StreamResponse response;
  response.mutable_refusal()->set_boot(boot);
  response.mutable_refusal()->set_sequence(sequence);
  response.mutable_refusal()->set_reason(std::string(reason));
  return response;
}

uint64_t SampleCount(const Window& window) {
  uint64_t count = 0;
  for (const Series& series : window.series) count += Totals(series.samples).count;
  return count;
}

}  // namespace

absl::Duration TenantIngest::Receive(size_t bytes) {
  metrics_.bytes.Increment(static_cast<double>(bytes));
  const MutexLock lock(mutex_);
  const absl::Duration wait = budget_.Spend(bytes, SteadyNow());
  if (wait > absl::ZeroDuration()) metrics_.limited.Increment();
  return wait;
}

absl::Status TenantIngest::ReceivePush(size_t bytes) {
  metrics_.bytes.Increment(static_cast<double>(bytes));
  const MutexLock lock(mutex_);
  if (budget_.TrySpend(bytes, SteadyNow())) return absl::OkStatus();
  metrics_.limited.Increment();
  return absl::ResourceExhaustedError(
      absl::StrCat("the tenant \"", name_,
                   "\" sends more than it may (--tenants.max-bytes-per-second); send it again later"));
}

std::pair<TenantIngest::PushLane*, size_t> TenantIngest::NextPushLane() {
  const size_t number = next_push_lane_++ % push_lanes_.size();
  return {&push_lanes_[number], number};
}

absl::StatusOr<TenantIngest*> IngestContext::FindTenant(const std::string& name) {
  {
    const MutexLock lock(mutex_);
    if (const auto found = tenants_.find(name); found != tenants_.end()) return found->second.get();
  }
  const absl::StatusOr<ProfileStore*> store = stores_.FindOrMake(name);
  if (!store.ok()) {
    metrics_.TenantRefused();
    return store.status();
  }
  const MutexLock lock(mutex_);
  std::unique_ptr<TenantIngest>& tenant = tenants_[name];
  if (tenant == nullptr) {
    tenant = std::make_unique<TenantIngest>(
        name, **store, name == kAnonymousTenant ? 0 : limits_.max_tenant_bytes_per_second,
        metrics_.AddTenant(name));
  }
  return tenant.get();
}

void IngestContext::Stored(const TenantIngest& tenant, const Window& window, absl::Duration append_time) {
  metrics_.Stored(SampleCount(window), append_time);
  if (on_stored_) on_stored_(tenant.name(), window);
}

bool IngestContext::ChargeDictionary(size_t before, size_t after) {
  const size_t sum = dictionary_bytes_.fetch_add(after - before) + (after - before);
  metrics_.SetDictionaryBytes(sum);
  return sum <= limits_.max_dictionaries_bytes;
}

size_t IngestContext::DictionaryShare() const {
  return limits_.max_dictionaries_bytes / (2 * std::max<size_t>(streams_.load(), 1));
}

bool IngestContext::OpenStream() {
  if (streams_.fetch_add(1) >= limits_.max_streams) {
    streams_.fetch_sub(1);
    metrics_.Broken(BreakReason::kTooManyStreams);
    return false;
  }
  metrics_.StreamOpened();
  return true;
}

void IngestContext::CloseStream() {
  streams_.fetch_sub(1);
  metrics_.StreamClosed();
}

IngestStream::IngestStream(IngestContext& context, std::string tenant)
    : context_(context), tenant_name_(std::move(tenant)), decoder_(context.limits().wire) {}

IngestStream::~IngestStream() { context_.ChargeDictionary(charged_bytes_, 0); }

IngestStream::Outcome IngestStream::End(BreakReason reason, absl::Status status) {
  context_.metrics().Broken(reason);
  return {std::nullopt, std::move(status), {}};
}

IngestStream::Outcome IngestStream::ReceiveGarbage() {
  return End(
      BreakReason::kGarbage,
      absl::InvalidArgumentError("not a pilotlight.v1.StreamRequest; is this an agent of this version?"));
}

IngestStream::Outcome IngestStream::Receive(const v1::StreamRequest& request, size_t message_bytes) {
  context_.metrics().ReceivedBytes(message_bytes);
  switch (request.message_case()) {
    case v1::StreamRequest::kHello:
      return ReceiveHello(request.hello());
    case v1::StreamRequest::kWindow:
      return ReceiveWindow(request.window(), message_bytes);
    case v1::StreamRequest::kCommandResult:  // the caller's
    case v1::StreamRequest::MESSAGE_NOT_SET:
      break;
  }
  return End(BreakReason::kProtocol,
             absl::InvalidArgumentError("a message that is neither hello nor window"));
}

IngestStream::Outcome IngestStream::ReceiveHello(const v1::Hello& hello) {
  if (!agent_.empty()) return End(BreakReason::kProtocol, absl::InvalidArgumentError("a second hello"));
  const size_t longest = std::max({hello.agent().size(), hello.version().size(), hello.node().size()});
  if (hello.agent().empty() || longest > kMaxHelloNameBytes) {
    return End(BreakReason::kProtocol, absl::InvalidArgumentError(absl::StrCat(
                                           "the hello must name its agent; agent, version and node may have ",
                                           kMaxHelloNameBytes, " bytes each")));
  }
  agent_ = hello.agent();
  version_ = hello.version();
  node_ = hello.node();
  return {};
}

IngestStream::Outcome IngestStream::RefuseAndEnd(BreakReason reason, absl::Status status,
                                                 const v1::Window& message) {
  context_.metrics().Refused(RefusalReason::kNotDecodable);
  v1::StreamResponse refusal = Refuse(message.boot(), message.sequence(), status.message());
  Outcome outcome = End(reason, std::move(status));
  outcome.response = std::move(refusal);
  return outcome;
}

IngestStream::Outcome IngestStream::ReceiveWindow(const v1::Window& message, size_t message_bytes) {
  if (agent_.empty()) {
    return End(BreakReason::kNoHello, absl::InvalidArgumentError("a window before the hello"));
  }
  if (message.agent() != agent_) {
    return End(BreakReason::kProtocol,
               absl::InvalidArgumentError("a window of another agent than the hello's"));
  }
  if (tenant_ == nullptr) {
    const absl::StatusOr<TenantIngest*> tenant = context_.FindTenant(tenant_name_);
    if (!tenant.ok()) return End(BreakReason::kTenant, tenant.status());
    tenant_ = *tenant;
  }
  const absl::Duration wait = tenant_->Receive(message_bytes);
  Outcome outcome = StoreWindow(message, message_bytes);
  outcome.wait = wait;
  return outcome;
}

IngestStream::Outcome IngestStream::StoreWindow(const v1::Window& message, size_t message_bytes) {
  if (message_bytes > context_.limits().max_message_bytes) {
    // Its part of the dictionary is not taken, so no later window could be read.
    return RefuseAndEnd(
        BreakReason::kProtocol,
        absl::InvalidArgumentError(absl::StrCat("a window of ", message_bytes, " bytes, the limit is ",
                                                context_.limits().max_message_bytes)),
        message);
  }
  absl::StatusOr<Window> window = decoder_.DecodeReferring(message);
  const size_t before = charged_bytes_;
  const bool dictionaries_fit = ChargeDictionary();
  const bool has_grown = charged_bytes_ > before;
  if (absl::IsResourceExhausted(window.status()) && has_decoded_) {
    return End(BreakReason::kDictionary, window.status());
  }
  if (!window.ok()) {
    // The first window of a stream whose names alone are too many will never fit.
    const bool too_large = absl::IsResourceExhausted(window.status());
    return RefuseAndEnd(too_large ? BreakReason::kDictionary : BreakReason::kProtocol, window.status(),
                        message);
  }
  has_decoded_ = true;
  if (!dictionaries_fit && has_grown) {
    return End(BreakReason::kDictionary,
               absl::ResourceExhaustedError(absl::StrCat(
                   "the dictionaries of all agents together pass ", context_.limits().max_dictionaries_bytes,
                   " bytes: reconnect with an empty one, or raise --ingest.max-dictionaries-bytes")));
  }
  context_.metrics().Missing(tenant_->sequences().Observe(agent_, window->boot, window->sequence));
  if (const auto refusal = CheckWindow(*window, context_.limits(), context_.clock().Now())) {
    context_.metrics().Refused(refusal->reason);
    return {Refuse(window->boot, window->sequence, refusal->message), absl::OkStatus(), {}};
  }
  Outcome outcome = Store(*window);
  decoder_.FreeEnded();
  ChargeDictionary();
  return outcome;
}

bool IngestStream::ChargeDictionary() {
  const size_t bytes = decoder_.dictionary_bytes();
  const bool fits = context_.ChargeDictionary(charged_bytes_, bytes);
  charged_bytes_ = bytes;
  return fits;
}

IngestStream::Outcome IngestStream::Store(const Window& window) {
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<AppendOutcome> outcome = tenant_->store().Append(window);
  if (outcome.ok()) {
    if (*outcome == AppendOutcome::kStored) {
      context_.Stored(*tenant_, window, absl::FromChrono(std::chrono::steady_clock::now() - begin));
    } else {
      context_.metrics().Duplicate();
    }
    return {Acknowledge(window), absl::OkStatus(), {}};
  }
  if (absl::IsInvalidArgument(outcome.status())) {
    context_.metrics().Refused(RefusalReason::kStore);
    return {Refuse(window.boot, window.sequence, outcome.status().message()), absl::OkStatus(), {}};
  }
  context_.metrics().Failed();
  return End(BreakReason::kStore, absl::ResourceExhaustedError(absl::StrCat(
                                      "the window cannot be stored now: ", outcome.status().message())));
}

v1::StreamResponse IngestStream::Acknowledge(const Window& window) const {
  v1::StreamResponse response;
  v1::Acknowledgement& acknowledgement = *response.mutable_acknowledgement();
  acknowledgement.set_boot(window.boot);
  acknowledgement.set_sequence(window.sequence);
  acknowledgement.set_max_dictionary_bytes(context_.DictionaryShare());
  return response;
}

}  // namespace pilotlight::collector
