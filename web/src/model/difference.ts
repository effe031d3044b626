// Two profiles side by side, as shares of each one's own total.
import { differenceFill } from "./colours";
import { formatPercent, formatPoints } from "./format";

// Of all changes marked, one in twenty is expected to be chance: the p-values are corrected for their number.
export const SIGNIFICANT = 0.05;

export interface Sides {
  base: Float64Array; // total value by node
  comparison: Float64Array;
  baseTotal: number;
  comparisonTotal: number;
}

export function shareOf(value: number, total: number): number {
  return total > 0 ? value / total : 0;
}

// The mean of both shares: what vanished keeps its place, and a parent is as wide as its children.
export function differenceWeights({ base, comparison, baseTotal, comparisonTotal }: Sides): Float64Array {
  return Float64Array.from(
    base,
    (value, i) => (shareOf(value, baseTotal) + shareOf(comparison[i], comparisonTotal)) / 2,
  );
}

export function differenceFills(
  { base, comparison, baseTotal, comparisonTotal }: Sides,
  pValue: Float64Array,
): Uint8Array {
  return Uint8Array.from(base, (value, i) =>
    differenceFill(
      shareOf(comparison[i], comparisonTotal),
      shareOf(value, baseTotal),
      pValue[i] <= SIGNIFICANT,
    ),
  );
}

// "1.2% → 3.4% (+2.2 points)".
export function changeText(baseShare: number, share: number): string {
  return `${formatPercent(baseShare)} → ${formatPercent(share)} (${formatPoints(share - baseShare)} points)`;
}

export function significanceText(pValue: number): string {
  if (pValue > SIGNIFICANT) return "may be chance";
  return `more than chance (p ${pValue < 0.001 ? "< 0.001" : `= ${pValue.toPrecision(1)}`})`;
}
