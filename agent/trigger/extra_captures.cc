#include "agent/trigger/extra_captures.h"

namespace pilotlight::agent {

absl::string_view OutcomeName(TriggerOutcome outcome) {
  switch (outcome) {
    case TriggerOutcome::kCaptured:
      return "captured";
    case TriggerOutcome::kTooSoon:
      return "too_soon";
    case TriggerOutcome::kOverBudget:
      return "over_budget";
    case TriggerOutcome::kOverloaded:
      return "overloaded";
  }
  return "unknown";
}

absl::Status OverBudget() {
  return absl::ResourceExhaustedError(
      "the agent has used all the CPU that --capture.max-overhead allows; try again in a minute");
}

ExtraCaptures::ExtraCaptures(const ExtraCaptureOptions& options, std::vector<Trigger*> triggers,
                             std::function<bool()> overloaded)
    : options_(options), triggers_(std::move(triggers)), overloaded_(std::move(overloaded)) {}

void ExtraCaptures::Consider(ExtraCapture extra, absl::Duration now) {
  if (extra.requested) {
    if (waiting_.has_value()) Count(waiting_->extra, TriggerOutcome::kTooSoon);
    waiting_ = {std::move(extra), now};
    return;
  }
  if (options_.min_interval == absl::ZeroDuration()) return;
  const bool too_soon = last_.has_value() && now - *last_ < options_.min_interval;
  if (too_soon || waiting_.has_value()) return Count(extra, TriggerOutcome::kTooSoon);
  waiting_ = {std::move(extra), now};
}

std::optional<ExtraCapture> ExtraCaptures::Next(absl::Duration now, double budget_left) {
  for (Trigger* trigger : triggers_) {
    if (std::optional<ExtraCapture> extra = trigger->Poll(now)) Consider(*std::move(extra), now);
  }
  if (!waiting_.has_value()) return std::nullopt;
  const ExtraCapture& extra = waiting_->extra;
  if (budget_left < (extra.requested ? 0 : options_.min_budget_left)) {
    Count(extra, TriggerOutcome::kOverBudget);
    extra.done(OverBudget());
    waiting_.reset();
    return std::nullopt;
  }
  if (!extra.requested && overloaded_()) {
    if (now - waiting_->since < options_.patience) return std::nullopt;
    Count(extra, TriggerOutcome::kOverloaded);
    waiting_.reset();
    return std::nullopt;
  }
  Count(extra, TriggerOutcome::kCaptured);
  last_ = now;
  return std::exchange(waiting_, std::nullopt)->extra;
}

}  // namespace pilotlight::agent
