#include "agent/uplink/ingest_stream.h"

#include "base/check.h"
#include "base/status_macros.h"

namespace pilotlight::agent {
namespace {

using Event = EventQueue::Event;

// The tags that gRPC hands back point here; in the order of the enumerators.
Event tags[] = {Event::kTimeout, Event::kWoken,      Event::kStarted, Event::kRead,
                Event::kWritten, Event::kWritesDone, Event::kFinished};

void* Tag(Event event) { return &tags[static_cast<size_t>(event)]; }

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& collector, const ChannelSecurity& security) {
  grpc::ChannelArguments arguments;
  arguments.SetCompressionAlgorithm(GRPC_COMPRESS_DEFLATE);
  // One channel is one attempt: without the global pool a new channel does not wait out the last one's
  // back-off, and the wait between attempts is the uplink's alone.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Neither asks DNS for more than addresses, nor pings to measure the bandwidth.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  if (!security.server_name.empty()) arguments.SetSslTargetNameOverride(security.server_name);
  return grpc::CreateCustomChannel(collector, security.credentials, arguments);
}

}  // namespace

absl::StatusOr<ChannelSecurity> ReadChannelSecurity(const ClientAccess& access) {
  ChannelSecurity security{.credentials = grpc::InsecureChannelCredentials(),
                           .server_name = access.server_name,
                           .authorization = {},
                           .tenant = access.tenant};
  ASSIGN_OR_RETURN(const ClientSecrets secrets, ReadClientAccess(access));
  security.authorization = secrets.authorization;
  if (access.tls.ca_file.empty()) return security;
  const TlsPem& pem = secrets.pem;
  security.credentials = grpc::SslCredentials(
      {.pem_root_certs = pem.ca, .pem_private_key = pem.key, .pem_cert_chain = pem.cert});
  return security;
}

EventQueue::~EventQueue() {
  {
    const MutexLock lock(mutex_);
    alarm_.reset();  // cancels it
  }
  completions_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (completions_.Next(&tag, &ok)) {
  }
}

void EventQueue::Wake() {
  const MutexLock lock(mutex_);
  if (wake_pending_) return;
  wake_pending_ = true;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(&completions_, gpr_time_0(GPR_CLOCK_MONOTONIC), Tag(Event::kWoken));
}

EventQueue::Result EventQueue::Wait(absl::Duration timeout) {
  gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
  if (timeout < absl::Hours(24)) {
    deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                            gpr_time_from_nanos(absl::ToInt64Nanoseconds(timeout), GPR_TIMESPAN));
  }
  void* tag = nullptr;
  Result result;
  switch (completions_.AsyncNext(&tag, &result.ok, deadline)) {
    case grpc::CompletionQueue::TIMEOUT:
      result.event = Event::kTimeout;
      return result;
    case grpc::CompletionQueue::SHUTDOWN:
      CHECK(false);  // only the destructor shuts it down
    case grpc::CompletionQueue::GOT_EVENT:
      break;
  }
  result.event = *static_cast<Event*>(tag);
  if (result.event == Event::kWoken) {
    const MutexLock lock(mutex_);
    wake_pending_ = false;
  }
  return result;
}

IngestStream::IngestStream(const std::string& collector, const ChannelSecurity& security, EventQueue& queue)
    : channel_(MakeChannel(collector, security)), stub_(v1::Ingest::NewStub(channel_)) {
  if (!security.authorization.empty()) context_.AddMetadata("authorization", security.authorization);
  if (!security.tenant.empty()) context_.AddMetadata(kTenantMetadata, security.tenant);
  call_ = stub_->PrepareAsyncStream(&context_, &queue.completions());
  call_->StartCall(Tag(Event::kStarted));
}

void IngestStream::Read(v1::StreamResponse& response) { call_->Read(&response, Tag(Event::kRead)); }

void IngestStream::Write(const v1::StreamRequest& request) { call_->Write(request, Tag(Event::kWritten)); }

void IngestStream::WritesDone() { call_->WritesDone(Tag(Event::kWritesDone)); }

void IngestStream::Finish() { call_->Finish(&status_, Tag(Event::kFinished)); }

}  // namespace pilotlight::agent
