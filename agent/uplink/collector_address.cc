#include "agent/uplink/collector_address.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kSchemes[] = {"dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:"};

bool IsHostName(absl::string_view host) {
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') return false;
  }
  return !host.empty();
}

bool IsBracketedIpv6(absl::string_view host) {
  if (!absl::StartsWith(host, "[") || !absl::EndsWith(host, "]")) return false;
  // A zone may follow: [fe80::1%eth0].
  const absl::string_view address = host.substr(1, host.size() - 2);
  return absl::StrContains(address, ':') && !absl::StrContains(address, ']');
}

}  // namespace

absl::Status CheckCollectorAddress(absl::string_view address) {
  for (const absl::string_view scheme : kSchemes) {
    if (absl::StartsWith(address, scheme) && address.size() > scheme.size()) return absl::OkStatus();
  }
  const size_t colon = address.rfind(':');
  if (colon != absl::string_view::npos) {
    const absl::string_view host = address.substr(0, colon);
    const absl::string_view digits = address.substr(colon + 1);
    uint32_t port = 0;
    const bool port_ok = !digits.empty() && absl::ascii_isdigit(static_cast<unsigned char>(digits[0])) &&
                         absl::SimpleAtoi(digits, &port) && port >= 1 && port <= 65535;
    if (port_ok && (IsHostName(host) || IsBracketedIpv6(host))) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", address, "\" is not a collector's address: HOST:PORT is wanted, as in localhost:7171"));
}

}  // namespace pilotlight::agent
