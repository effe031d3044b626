#include "agent/metrics/unwind_metrics.h"

namespace pilotlight::agent {

UnwindMetrics::UnwindMetrics(prometheus::Registry& registry)
    : tables_built_(AddCounters(registry, "pilotlight_unwind_tables_built_total",
                                "Binaries whose unwind table was made.")),
      unusable_(AddCounters(registry, "pilotlight_unwind_unusable_binaries_total",
                            "Binaries whose unwind table could not be made.")),
      full_(AddCounters(registry, "pilotlight_unwind_no_room_total",
                        "Binaries and processes whose unwind tables found no room.")),
      resets_(AddCounters(registry, "pilotlight_unwind_resets_total",
                          "Times that all unwind tables were dropped to make room.")),
      processes_(AddGauges(registry, "pilotlight_unwind_processes",
                           "Processes whose stacks are walked by unwind tables.")),
      tables_(AddGauges(registry, "pilotlight_unwind_tables", "Binaries with an unwind table.")),
      rows_(AddGauges(registry, "pilotlight_unwind_rows", "Rows of all unwind tables.")),
      table_bytes_(AddGauges(registry, "pilotlight_unwind_table_bytes",
                             "Kernel memory of the rows of all unwind tables.")) {
  Update({});
}

void UnwindMetrics::Update(const UnwindStats& stats) {
  SetTotal(tables_built_, {}, stats.built);
  SetTotal(unusable_, {{"reason", "unreadable"}}, stats.unreadable);
  SetTotal(unusable_, {{"reason", "unparsable"}}, stats.unparsable);
  SetTotal(full_, {}, stats.full);
  SetTotal(resets_, {}, stats.resets);
  SetValue(processes_, stats.processes);
  SetValue(tables_, stats.tables);
  SetValue(rows_, stats.rows);
  SetValue(table_bytes_, stats.table_bytes);
}

}  // namespace pilotlight::agent
