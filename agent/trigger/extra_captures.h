// Which of the extra captures that are asked for are taken, and when.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/trigger/trigger.h"

namespace pilotlight::agent {

struct ExtraCaptureOptions {
  absl::Duration min_interval = absl::Minutes(1);  // from one to the next; zero takes requested ones only
  double min_budget_left = 0.25;                   // see OverheadBudget::left()
  absl::Duration patience = absl::Seconds(30);     // one that must wait longer is given up
};

enum class TriggerOutcome {
  kCaptured,
  kTooSoon,     // after another one
  kOverBudget,  // the agent has used too much CPU
  kOverloaded,  // the node had no time for it until the patience was over
};
// The value of the metrics' label `outcome`.
absl::string_view OutcomeName(TriggerOutcome outcome);
// What the one hears who asked for it.
absl::Status OverBudget();

// Not thread-safe.
class ExtraCaptures {
 public:
  using Counts = std::map<std::pair<std::string, TriggerOutcome>, uint64_t>;  // by trigger

  // `triggers` are borrowed. While `overloaded()` an extra capture is put off, unless a person wants it.
  ExtraCaptures(const ExtraCaptureOptions& options, std::vector<Trigger*> triggers,
                std::function<bool()> overloaded);

  // Asks all triggers. What to capture now, if anything; counted as captured.
  std::optional<ExtraCapture> Next(absl::Duration now, double budget_left);
  const Counts& counts() const { return counts_; }

 private:
  struct Waiting {
    ExtraCapture extra;
    absl::Duration since;
  };

  void Consider(ExtraCapture extra, absl::Duration now);
  void Count(const ExtraCapture& extra, TriggerOutcome outcome) { ++counts_[{extra.trigger, outcome}]; }

  const ExtraCaptureOptions options_;
  const std::vector<Trigger*> triggers_;
  const std::function<bool()> overloaded_;
  std::optional<Waiting> waiting_;
  std::optional<absl::Duration> last_;
  Counts counts_;
};

}  // namespace pilotlight::agent
