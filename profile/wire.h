// Windows to and from the wire (proto/pilotlight/v1/profile.proto).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pilotlight/v1/profile.pb.h"
#include "profile/profile.h"

namespace pilotlight {

// The sending end of one stream: knows which part of its dictionary the receiver already has.
// Not thread-safe.
class WindowEncoder {
 public:
  // Starts the dictionary anew once it takes more than `max_dictionary_bytes` here.
  explicit WindowEncoder(size_t max_dictionary_bytes = size_t{32} << 20)
      : max_dictionary_bytes_(max_dictionary_bytes) {}

  // And once it takes more than this at the receiver (Acknowledgement.max_dictionary_bytes); 0 is no limit.
  void set_receiver_bytes(size_t bytes) { receiver_bytes_ = bytes; }

  // Fills `message` with the window and with what the receiver's dictionary lacks for it.
  void Encode(const Window& window, v1::Window& message);

 private:
  const size_t max_dictionary_bytes_;
  size_t receiver_bytes_ = 0;
  StackTrie sent_;
  bool has_ended_ = false;  // the last window was its dictionary's last
};

struct WireLimits {
  size_t max_dictionary_bytes = size_t{64} << 20;
  size_t max_depth = 1024;                 // frames of a stack
  size_t max_string_bytes = 16384;         // of one name
  size_t max_series = 100000;              // in a window
  size_t max_labels = 64;                  // of a series
  uint64_t max_count = uint64_t{1} << 48;  // of one sample
};

// The receiving end of one stream. Trusts nothing. Not thread-safe.
class WindowDecoder {
 public:
  explicit WindowDecoder(const WireLimits& limits = {}) : limits_(limits) {}

  // InvalidArgument says what is wrong: the stream is then broken, as its dictionary may be.
  // ResourceExhausted when the dictionary would pass its limit.
  // The returned window's trie holds only what the window itself uses.
  absl::StatusOr<Window> Decode(const v1::Window& message);

  // The same without a copy of the stacks: the window refers to the table of this decoder, as it is until the
  // next call.
  absl::StatusOr<Window> DecodeReferring(const v1::Window& message);
  // Frees the dictionary when the last window was marked as its end. Decode() does so itself.
  void FreeEnded();

  // Memory that the dictionary takes, within some ten per cent.
  size_t dictionary_bytes() const;

 private:
  absl::Status Append(const v1::Dictionary& dictionary);
  absl::Status AppendFrames(const v1::Dictionary& dictionary);
  absl::Status AppendNodes(const v1::Dictionary& dictionary);
  absl::StatusOr<Series> DecodeSeries(const v1::Series& message) const;
  void Reset();

  const WireLimits limits_;
  bool ended_ = false;
  // By the sender's numbers. A hostile sender may send the same entry twice: only in the windows' tries each
  // is there once.
  StackTable received_;
  std::vector<uint16_t> depths_ = {0};  // of the nodes
};

// One window with its whole dictionary, for files: (de)serialised by itself.
std::string SerializeWindow(const Window& window);
absl::StatusOr<Window> ParseWindow(absl::string_view bytes, const WireLimits& limits = {});

void ToProto(const ProfileType& type, v1::ProfileType& message);
ProfileType FromProto(const v1::ProfileType& message);
void ToProto(const LossCounters& loss, v1::LossCounters& message);
LossCounters FromProto(const v1::LossCounters& message);

}  // namespace pilotlight
