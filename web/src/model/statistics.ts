// How sure a share is. As profile/statistics.h, which made the intervals of the collector's own tables.

export interface Interval {
  lower: number;
  upper: number;
}

// The 95 % score interval of a proportion (Wilson 1927). 0 to 1 when the total is 0.
export function wilson(hits: number, total: number): Interval {
  if (total <= 0) return { lower: 0, upper: 1 };
  const z = 1.959963984540054;
  const p = Math.min(1, hits / total);
  const centre = p + (z * z) / (2 * total);
  const spread = z * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
  const scale = 1 + (z * z) / total;
  return {
    lower: hits <= 0 ? 0 : (centre - spread) / scale,
    upper: hits >= total ? 1 : (centre + spread) / scale,
  };
}
