// A collector for tests: a real gRPC server that keeps what it gets, and answers as it is told.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "pilotlight/v1/ingest.grpc.pb.h"
#include "profile/wire.h"
#include "tests/support/windows.h"

namespace pilotlight {

enum class Answer {
  kStore,        // store and acknowledge
  kStoreAndDie,  // store, but end the stream (UNAVAILABLE) before the acknowledgement
  kRefuse,
  kBreak,    // INVALID_ARGUMENT
  kNoRoom,   // RESOURCE_EXHAUSTED
  kSilence,  // neither store nor answer
};

// Thread-safe.
class ScriptedIngest : public v1::Ingest::Service {
 public:
  using Script = std::function<Answer(const Window& window, int stream)>;  // streams are numbered from 1

  explicit ScriptedIngest(Script script = [](const Window&, int) { return Answer::kStore; })
      : script_(std::move(script)) {}
  ~ScriptedIngest() override { Stop(); }

  // On the port of the last start, else on a free one. Returns HOST:PORT.
  std::string Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    if (max_message_bytes_ > 0) builder.SetMaxReceiveMessageSize(max_message_bytes_);
    server_ = builder.BuildAndStart();
    return absl::StrCat("127.0.0.1:", port_);
  }
  // Breaks all streams.
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  // Sends a command before each acknowledgement, its id the window's sequence.
  void set_sends_commands() { sends_commands_ = true; }
  // Blocks until this many results of commands are there, by their ids.
  std::map<uint64_t, v1::CommandResult> WaitForResults(size_t count) {
    const MutexLock lock(mutex_);
    while (results_.size() < count) changed_.Wait(mutex_);
    return results_;
  }
  void set_max_message_bytes(int bytes) { max_message_bytes_ = bytes; }
  // What acknowledgements tell that can be spared for a stream's dictionary.
  void set_max_dictionary_bytes(uint64_t bytes) { max_dictionary_bytes_ = bytes; }

  // Blocks until `done` holds for the tags of the stored windows, in the order of their arrival.
  std::vector<std::string> WaitFor(const std::function<bool(const std::vector<std::string>&)>& done) {
    const MutexLock lock(mutex_);
    while (!done(tags_)) changed_.Wait(mutex_);
    return tags_;
  }
  std::vector<std::string> WaitForCount(size_t count) {
    return WaitFor([count](const std::vector<std::string>& tags) { return tags.size() >= count; });
  }
  void WaitForStreams(int count) {
    const MutexLock lock(mutex_);
    while (streams_ < count) changed_.Wait(mutex_);
  }
  int streams() const {
    const MutexLock lock(mutex_);
    return streams_;
  }
  // How many names each window's message added to its stream's dictionary, in the order of arrival.
  std::vector<int> dictionary_strings() const {
    const MutexLock lock(mutex_);
    return dictionary_strings_;
  }
  v1::Hello hello() const {
    const MutexLock lock(mutex_);
    return hello_;
  }

  grpc::Status Stream(grpc::ServerContext*,
                      grpc::ServerReaderWriter<v1::StreamResponse, v1::StreamRequest>* peer) override {
    WindowDecoder decoder;
    v1::StreamRequest request;
    if (!peer->Read(&request) || !request.has_hello()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "no hello"};
    }
    const int stream = Hello(request.hello());
    while (peer->Read(&request)) {
      if (request.has_command_result()) {
        const MutexLock lock(mutex_);
        results_[request.command_result().id()] = request.command_result();
        changed_.NotifyAll();
        continue;
      }
      const absl::StatusOr<Window> window = decoder.Decode(request.window());
      if (!window.ok()) {
        return {grpc::StatusCode::INVALID_ARGUMENT, std::string(window.status().message())};
      }
      v1::StreamResponse response;
      switch (Take(*window, request.window(), stream)) {
        case Answer::kStore:
          if (sends_commands_) {
            v1::StreamResponse command;
            command.mutable_command()->set_id(window->sequence);
            command.mutable_command()->mutable_inspect();
            peer->Write(command);
          }
          response.mutable_acknowledgement()->set_boot(window->boot);
          response.mutable_acknowledgement()->set_sequence(window->sequence);
          response.mutable_acknowledgement()->set_max_dictionary_bytes(max_dictionary_bytes_);
          peer->Write(response);
          break;
        case Answer::kRefuse:
          response.mutable_refusal()->set_boot(window->boot);
          response.mutable_refusal()->set_sequence(window->sequence);
          response.mutable_refusal()->set_reason("too old");
          peer->Write(response);
          break;
        case Answer::kStoreAndDie:
          return {grpc::StatusCode::UNAVAILABLE, "going away"};
        case Answer::kBreak:
          return {grpc::StatusCode::INVALID_ARGUMENT, "broken window"};
        case Answer::kNoRoom:
          return {grpc::StatusCode::RESOURCE_EXHAUSTED, "disk full"};
        case Answer::kSilence:
          break;
      }
    }
    return grpc::Status::OK;
  }

 private:
  int Hello(const v1::Hello& hello) {
    const MutexLock lock(mutex_);
    hello_ = hello;
    ++streams_;
    changed_.NotifyAll();
    return streams_;
  }

  // Stores as the collector's store does: what is not above its boot's last number is already there.
  Answer Take(const Window& window, const v1::Window& message, int stream) {
    const MutexLock lock(mutex_);
    dictionary_strings_.push_back(message.dictionary().strings_size());
    const Answer answer = script_(window, stream);
    if (answer == Answer::kStore || answer == Answer::kStoreAndDie) {
      uint64_t& last = last_sequences_[{window.agent, window.boot}];
      if (window.sequence > last) {
        last = window.sequence;
        tags_.push_back(TagOf(window));
        changed_.NotifyAll();
      }
    }
    return answer;
  }

  const Script script_;
  int port_ = 0;
  int max_message_bytes_ = 0;
  uint64_t max_dictionary_bytes_ = 0;
  bool sends_commands_ = false;
  std::unique_ptr<grpc::Server> server_;

  mutable Mutex mutex_;
  CondVar changed_;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::Hello hello_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> tags_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, v1::CommandResult> results_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> dictionary_strings_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, uint64_t> last_sequences_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight
