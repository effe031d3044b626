// A series of sums as rates: what a timeline shows.

// What time of a kind in each nanosecond is: "2.5 cores".
export interface RateUnit {
  unit: string;
  heading: string;
}

// Null where a value is no time.
export function rateUnitOf(sampleType: string, sampleUnit: string): RateUnit | null {
  if (sampleUnit !== "nanoseconds") return null;
  switch (sampleType) {
    case "cpu":
      return { unit: "cores", heading: "CPU cores" };
    case "off_cpu":
      return { unit: "threads", heading: "Waiting threads" };
    case "wall":
      return { unit: "threads", heading: "Threads" };
    default:
      return { unit: "waiting", heading: "Waiting" }; // of mutex and block profiles
  }
}

export interface Rates {
  at: number[]; // Unix milliseconds, the middle of a step
  value: (number | null)[]; // null: nothing was watched there, which is not the same as nothing used
}

// `estimated` is what is there in the step that begins at `start`, scaled up for the time that nobody watched.
// Per nanosecond with `perTime`, else as it is. The last step may be cut off at `end`:
// it counts for what there is of it, and when that is less than half not at all.
export function ratesOf(
  start: ArrayLike<number>,
  estimated: ArrayLike<number>,
  stepMs: number,
  end: number,
  perTime: boolean,
): Rates {
  const rates: Rates = { at: [], value: [] };
  // Captures may be rarer than steps; each stands for the time to the next one.
  const distances = Array.from(start, (time, i) => (i > 0 ? time - start[i - 1] : 0))
    .slice(1)
    .sort((a, b) => a - b);
  const step = Math.max(stepMs, distances[distances.length >> 1] ?? 0);
  for (let i = 0; i < start.length; ++i) {
    const length = Math.min(step, end - start[i]);
    if (length < step / 2 && i > 0) break;
    if (i > 0 && start[i] - start[i - 1] > 2.5 * step) {
      rates.at.push(start[i] - step / 2);
      rates.value.push(null);
    }
    rates.at.push(start[i] + length / 2);
    rates.value.push(perTime ? estimated[i] / (length * 1e6) : estimated[i]);
  }
  return rates;
}
