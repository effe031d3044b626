#include "collector/store_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/tenant_name.h"

namespace pilotlight::collector {

struct StoreMetrics::Impl {
  struct CounterEntry {
    prometheus::Counter* counter;
    uint64_t EmbeddedStoreCounters::*field;
  };
  struct GaugeEntry {
    prometheus::Gauge* gauge;
    uint64_t EmbeddedStoreCounters::*field;
  };
  explicit Impl(EmbeddedStores& the_stores) : stores(the_stores) {}

  EmbeddedStores& stores;
  Mutex mutex;  // of one update at a time
  EmbeddedStoreCounters last ABSL_GUARDED_BY(mutex);
  std::vector<CounterEntry> counters;
  std::vector<GaugeEntry> gauges;
  prometheus::Family<prometheus::Counter>* overflow = nullptr;
  prometheus::Family<prometheus::Gauge>* tenant_disk_bytes = nullptr;
};

namespace {

const char* NameOf(ServiceLimit limit) { return limit == ServiceLimit::kStacks ? "stacks" : "series"; }

}  // namespace

StoreMetrics::StoreMetrics(EmbeddedStores& stores, prometheus::Registry& registry)
    : impl_(std::make_unique<Impl>(stores)) {
  using Counters = EmbeddedStoreCounters;
  const auto add_counter = [&](const char* name, const char* help, uint64_t Counters::*field) {
    impl_->counters.push_back(
        {&prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({}), field});
  };
  const auto add_gauge = [&](const char* name, const char* help, uint64_t Counters::*field) {
    impl_->gauges.push_back(
        {&prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({}), field});
  };
  add_counter("pilotlight_store_commits_total", "Groups of windows written and synced to disk.",
              &Counters::commits);
  add_counter("pilotlight_store_failed_writes_total", "Groups of windows that could not be written.",
              &Counters::failed_writes);
  add_counter("pilotlight_store_corrupt_records_total", "Records that were skipped because they are damaged.",
              &Counters::corrupt_records);
  add_counter("pilotlight_store_forgotten_boots_total",
              "Boots of agents forgotten; a window of theirs that is sent again would count twice.",
              &Counters::forgotten_boots);
  add_counter("pilotlight_store_cache_hits_total", "Blocks that were in memory when they were needed.",
              &Counters::cache_hits);
  add_counter("pilotlight_store_cache_misses_total", "Blocks that were read from disk when they were needed.",
              &Counters::cache_misses);
  add_counter("pilotlight_store_merge_cache_hits_total",
              "Merged profiles that were in memory when asked for.", &Counters::merge_cache_hits);
  add_counter("pilotlight_store_merge_cache_misses_total", "Merged profiles that were put together.",
              &Counters::merge_cache_misses);
  add_gauge("pilotlight_store_merge_cache_bytes", "Memory that the merged profiles kept in memory take.",
            &Counters::merge_cache_bytes);
  add_gauge("pilotlight_store_cache_bytes", "Memory that the blocks kept in memory take.",
            &Counters::cache_bytes);
  add_counter("pilotlight_store_summed_spans_total",
              "Spans of time that were summed up into a coarser level.", &Counters::summed_spans);
  add_counter("pilotlight_store_unsummed_spans_total",
              "Spans of ten minutes whose windows were dropped without a sum, as the disk was full.",
              &Counters::unsummed_spans);
  add_counter("pilotlight_store_size_retentions_total",
              "Days of a level, or 32 days, that were dropped because the store was too large.",
              &Counters::size_retentions);
  add_counter("pilotlight_store_read_bytes_total",
              "Bytes of profiles and names read for questions, without compression.", &Counters::read_bytes);
  add_gauge("pilotlight_store_open_spans", "Spans of time whose sums lack windows.", &Counters::open_spans);
  add_gauge("pilotlight_store_blocks", "Blocks of one service and a day, or 32 days.", &Counters::blocks);
  add_gauge("pilotlight_store_services", "Services with profiles.", &Counters::services);
  impl_->overflow =
      &prometheus::BuildCounter()
           .Name("pilotlight_store_overflow_samples_total")
           .Help("Samples of services with too many distinct stacks or label sets, kept without theirs.")
           .Register(registry);
  impl_->tenant_disk_bytes = &prometheus::BuildGauge()
                                  .Name("pilotlight_tenant_disk_bytes")
                                  .Help("Size of tables and write-ahead log on disk, by tenant.")
                                  .Register(registry);
  add_gauge("pilotlight_store_disk_bytes", "Size of tables and write-ahead log on disk.",
            &Counters::disk_bytes);
}

StoreMetrics::~StoreMetrics() = default;

void StoreMetrics::Update() {
  EmbeddedStoreCounters now;
  const auto stores = impl_->stores.stores();
  for (const auto& [tenant, store] : stores) {
    const EmbeddedStoreCounters counters = store->counters();
    for (const Impl::CounterEntry& entry : impl_->counters) now.*entry.field += counters.*entry.field;
    for (const Impl::GaugeEntry& entry : impl_->gauges) now.*entry.field += counters.*entry.field;
    impl_->tenant_disk_bytes->Add({{"tenant", tenant}}).Set(static_cast<double>(counters.disk_bytes));
  }
  const MutexLock lock(impl_->mutex);
  for (const Impl::CounterEntry& entry : impl_->counters) {
    // Two updates at once may come in the other order than they have asked the store.
    const uint64_t before = impl_->last.*entry.field;
    if (now.*entry.field > before) {
      entry.counter->Increment(static_cast<double>(now.*entry.field - before));
      impl_->last.*entry.field = now.*entry.field;
    }
  }
  for (const auto& [tenant, store] : stores) {
    for (const Overflow& one : store->overflows()) {
      prometheus::Labels labels = {{"service_name", one.service}, {"limit", NameOf(one.limit)}};
      if (tenant != kAnonymousTenant) labels["tenant"] = tenant;
      prometheus::Counter& counter = impl_->overflow->Add(labels);
      const double more = static_cast<double>(one.samples) - counter.Value();
      if (more > 0) counter.Increment(more);
    }
  }
  for (const Impl::GaugeEntry& entry : impl_->gauges) entry.gauge->Set(static_cast<double>(now.*entry.field));
}

}  // namespace pilotlight::collector
