#include "agent/metrics/symbol_metrics.h"

namespace pilotlight::agent {

SymbolMetrics::SymbolMetrics(prometheus::Registry& registry)
    : addresses_(AddCounters(registry, "pilotlight_symbol_addresses_total",
                             "Addresses to be named, by whether the cache had them.")),
      resets_(AddCounters(registry, "pilotlight_symbol_cache_resets_total",
                          "Times that the full cache of addresses was emptied.")),
      binaries_(AddCounters(registry, "pilotlight_symbol_binaries_total",
                            "Binaries: parsed, found to be a known one (shared), dropped from the full "
                            "cache (evicted), or closed for want of use (closed).")),
      unusable_(AddCounters(registry, "pilotlight_symbol_unusable_binaries_total",
                            "Binaries that could not be read.")),
      unnamed_(AddCounters(registry, "pilotlight_symbol_unnamed_addresses_total",
                           "Addresses that got no function's name.")),
      cached_addresses_(AddGauges(registry, "pilotlight_symbol_cached_addresses", "Addresses in the cache.")),
      cached_binaries_(AddGauges(registry, "pilotlight_symbol_cached_binaries", "Binaries in the cache.")),
      cached_bytes_(AddGauges(registry, "pilotlight_symbol_cached_bytes",
                              "Memory of the cached binaries, addresses and kernel symbols.")) {
  Update({});
}

void SymbolMetrics::Update(const SymbolizerStats& stats) {
  SetTotal(addresses_, {{"cache", "hit"}}, stats.address_hits);
  SetTotal(addresses_, {{"cache", "miss"}}, stats.address_misses);
  SetTotal(resets_, {}, stats.address_resets);
  SetTotal(binaries_, {{"event", "parsed"}}, stats.binaries_parsed);
  SetTotal(binaries_, {{"event", "shared"}}, stats.binaries_shared);
  SetTotal(binaries_, {{"event", "evicted"}}, stats.binaries_evicted);
  SetTotal(binaries_, {{"event", "closed"}}, stats.binaries_closed);
  SetTotal(unusable_, {{"reason", "denied"}}, stats.open_denied);
  SetTotal(unusable_, {{"reason", "vanished"}}, stats.open_vanished);
  SetTotal(unusable_, {{"reason", "replaced"}}, stats.open_replaced);
  SetTotal(unusable_, {{"reason", "failed"}}, stats.open_failed);
  SetTotal(unusable_, {{"reason", "not_elf"}}, stats.not_elf);
  SetTotal(unusable_, {{"reason", "unsupported_elf"}}, stats.unsupported_elf);
  SetTotal(unnamed_, {{"reason", "no_mapping"}}, stats.unnamed_no_mapping);
  SetTotal(unnamed_, {{"reason", "anonymous"}}, stats.unnamed_anonymous);
  SetTotal(unnamed_, {{"reason", "no_file"}}, stats.unnamed_no_file);
  SetTotal(unnamed_, {{"reason", "no_symbol"}}, stats.unnamed_no_symbol);
  SetTotal(unnamed_, {{"reason", "kernel"}}, stats.unnamed_kernel);
  SetValue(cached_addresses_, stats.cached_addresses);
  SetValue(cached_binaries_, stats.cached_binaries);
  SetValue(cached_bytes_, stats.cached_bytes);
}

}  // namespace pilotlight::agent
