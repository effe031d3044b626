// What the answer rests on, and what it lacks.
import type { ProfileType, Quality } from "../api/collector";
import { formatCount, formatPercent, formatRate, formatTimeSpan, formatValue } from "../model/format";
import { wilson } from "../model/statistics";

// Below so many samples a share of 10 % is not known to better than about ±3 points.
const FEW_SAMPLES = 400;
const MOSTLY_NAMED = 0.95;
const NOTABLY_LOST = 0.01;

export function QualityLine({ quality, type }: { quality: Quality; type: ProfileType }) {
  const { samples, frames, lostSamples, truncatedStacks, unnamedFrames, windows } = quality;
  const named = frames > 0 ? 1 - unnamedFrames / frames : 1;
  const lost = lostSamples / Math.max(1, samples + lostSamples);
  const cut = truncatedStacks / Math.max(1, samples);
  const spanNs = (quality.last - quality.first) * 1e6;
  const tenth = wilson(0.1 * samples, samples);
  return (
    <p class="quality">
      <b>
        {type.rate && spanNs > 0
          ? `${formatRate(quality.estimatedValue / spanNs)} ${type.rate.unit}`
          : formatValue(quality.value, type.unit)}
      </b>{" "}
      <span
        title="How far a share of 10 % may be from the true one, with 95 % confidence"
        class={samples < FEW_SAMPLES ? "warn" : ""}
      >
        {formatCount(samples)} samples
        {samples > 0 && ` (10 % ± ${(50 * (tenth.upper - tenth.lower)).toPrecision(2)})`}
        {samples < FEW_SAMPLES && ": few, take a longer window"}
      </span>
      <span title="Profiles: one label set in one capture. Together they watched so long">
        {formatCount(windows)} {windows === 1 ? "profile" : "profiles"}, {formatTimeSpan(quality.watchedNs)}{" "}
        watched
      </span>
      <span
        class={named < MOSTLY_NAMED ? "warn" : ""}
        title={`${formatCount(unnamedFrames)} of ${formatCount(frames)} frames have no name`}
      >
        {formatPercent(named)} of frames named
      </span>
      <span class={lost >= NOTABLY_LOST ? "warn" : ""} title="Taken, but in no stack">
        {lostSamples === 0
          ? "no sample lost"
          : `${formatCount(lostSamples)} samples lost (${formatPercent(lost)})`}
      </span>
      {truncatedStacks > 0 && (
        <span class={cut >= NOTABLY_LOST ? "warn" : ""} title="The outermost callers were cut off">
          {formatCount(truncatedStacks)} stacks truncated ({formatPercent(cut)})
        </span>
      )}
    </p>
  );
}
