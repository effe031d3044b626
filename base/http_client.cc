#include "base/http_client.h"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace pilotlight {
namespace {

using std::chrono::steady_clock;

constexpr int kMaxRedirects = 5;

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Ends a request from outside: cpp-httplib only limits the silence between two bytes, and knows no signal.
class Watchdog {
 public:
  Watchdog(httplib::Client& client, steady_clock::time_point deadline, const StopSignal& stop)
      : thread_([this, &client, deadline, &stop] { Watch(client, deadline, stop); }) {}
  ~Watchdog() {
    done_.Stop();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  bool timed_out() const { return timed_out_; }

 private:
  void Watch(httplib::Client& client, steady_clock::time_point deadline, const StopSignal& stop) {
    pollfd events[] = {{done_.fd(), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
    while (!done_.stopped() && !stop.stopped() && !timed_out_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
      timed_out_ = left.count() <= 0;
      if (!timed_out_)
        ::poll(events, std::size(events), static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
    }
    // Again and again, as stop() before the socket is there has no effect.
    while (!done_.WaitFor(absl::Milliseconds(20))) client.stop();
  }

  StopSignal done_;
  std::atomic<bool> timed_out_ = false;
  std::thread thread_;  // last: it uses the others
};

struct OneAnswer {
  HttpGetResult result;
  std::string location;
};

absl::StatusOr<OneAnswer> GetOnce(const HttpUrl& url, const HttpGetOptions& options,
                                  steady_clock::time_point deadline, const StopSignal& stop) {
  httplib::Client client(options.unix_socket.empty() ? url.origin : options.unix_socket);
  if (!options.unix_socket.empty()) client.set_address_family(AF_UNIX);
  if (!client.is_valid()) return absl::InvalidArgumentError("the URL's host or port is wrong");
  client.set_connection_timeout(absl::ToChronoMicroseconds(options.connect_timeout));
  // The watchdog limits the whole; this is only never to end earlier.
  client.set_read_timeout(absl::ToChronoMicroseconds(options.timeout + absl::Seconds(1)));
  client.set_write_timeout(absl::ToChronoMicroseconds(options.connect_timeout));

  OneAnswer answer;
  bool too_large = false;
  const Watchdog watchdog(client, deadline, stop);
  const httplib::Result result = client.Get(
      url.target,
      {{"Host", url.authority}, {"User-Agent", "pilotlight/" PILOTLIGHT_VERSION}, {"Connection", "close"}},
      [&](const char* data, size_t size) {
        too_large = size > options.max_body_bytes - answer.result.body.size();
        if (!too_large) answer.result.body.append(data, size);
        return !too_large;
      });
  if (too_large) {
    return absl::OutOfRangeError(absl::StrCat("the answer has more than ", options.max_body_bytes, " bytes"));
  }
  if (result) {
    answer.result.status = result->status;
    for (const auto& [name, value] : result->headers) {
      answer.result.headers[absl::AsciiStrToLower(name)] = value;
    }
    answer.location = result->get_header_value("Location");
    return answer;
  }
  if (stop.stopped()) return absl::CancelledError("stopped");
  if (watchdog.timed_out()) return absl::DeadlineExceededError("no whole answer in time");
  switch (result.error()) {
    case httplib::Error::ConnectionTimeout:
      return absl::DeadlineExceededError("no connection in time");
    case httplib::Error::Connection:
      return absl::UnavailableError("no connection: refused, unreachable, or an unknown host");
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
      return absl::UnavailableError("no TLS connection: does it speak https?");
    case httplib::Error::SSLServerVerification:
      return absl::UnavailableError("its TLS certificate is not signed by an authority known here");
    default:
      return absl::UnavailableError("the connection broke before the answer was complete");
  }
}

}  // namespace

absl::StatusOr<HttpUrl> ParseHttpUrl(absl::string_view url) {
  const auto invalid = [url](absl::string_view reason) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", url, "\" is not a URL such as http://host:6060: ", reason));
  };
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "http://") && !absl::ConsumePrefix(&rest, "https://")) {
    return invalid("it must start with http:// or https://");
  }
  if (std::any_of(url.begin(), url.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; })) {
    return invalid("it has a space or a control character");
  }
  const absl::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (absl::StrContains(authority, '@')) {
    // Without the URL: it may hold a password.
    return absl::InvalidArgumentError("a URL with a user or a password is not supported");
  }
  const absl::string_view host = authority.substr(0, authority.rfind(':'));
  if (authority.empty() || host.empty()) return invalid("it has no host");
  rest.remove_prefix(authority.size());
  const absl::string_view target = rest.substr(0, rest.find('#'));
  return HttpUrl{
      .origin = std::string(url.substr(0, url.size() - rest.size())),
      .authority = std::string(authority),
      .target = absl::StrCat(absl::StartsWith(target, "/") ? "" : "/", target),
  };
}

absl::StatusOr<HttpGetResult> HttpGet(absl::string_view url, const HttpGetOptions& options,
                                      const StopSignal& stop) {
  ASSIGN_OR_RETURN(HttpUrl at, ParseHttpUrl(url));
  const auto deadline = steady_clock::now() + absl::ToChronoNanoseconds(options.timeout);
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    if (stop.stopped()) return absl::CancelledError("stopped");
    // cpp-httplib's own code throws nothing here, but what it calls may, as for a malformed port.
    absl::StatusOr<OneAnswer> answer = absl::UnknownError("");
    try {
      answer = GetOnce(at, options, deadline, stop);
    } catch (const std::exception& error) {
      return absl::UnavailableError(absl::StrCat("the request failed: ", error.what()));
    }
    if (!answer.ok()) return answer.status();
    if (!IsRedirect(answer->result.status) || answer->location.empty()) return std::move(answer->result);
    if (absl::StartsWith(answer->location, "/") && !absl::StartsWith(answer->location, "//")) {
      at.target = answer->location;
      continue;
    }
    const absl::StatusOr<HttpUrl> next = ParseHttpUrl(answer->location);
    if (!next.ok() || next->origin != at.origin) {
      return absl::FailedPreconditionError("it redirects elsewhere, which is not followed");
    }
    at = *next;
  }
  return absl::FailedPreconditionError(absl::StrCat("more than ", kMaxRedirects, " redirects"));
}

}  // namespace pilotlight
