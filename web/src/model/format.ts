// Numbers as people read them; the same as exporters/format.h writes them.
import type { Interval } from "./statistics";

function threeDigits(number: number): string {
  const decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  const text = number.toFixed(decimals);
  return decimals > 0 ? text.replace(/\.?0+$/, "") : text;
}

type Unit = [size: number, name: string];
const TIME: Unit[] = [
  [1, "ns"],
  [1e3, "µs"],
  [1e6, "ms"],
  [1e9, "s"],
  [60e9, "min"],
  [3600e9, "h"],
  [86400e9, "d"],
];
const BYTES: Unit[] = [0, 1, 2, 3, 4, 5].map((i) => [1024 ** i, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][i]]);
const TIME_UNITS: Record<string, number> = {
  nanoseconds: 1,
  ns: 1,
  microseconds: 1e3,
  us: 1e3,
  milliseconds: 1e6,
  ms: 1e6,
  seconds: 1e9,
  s: 1e9,
};

function inUnits(number: number, units: Unit[]): string {
  const magnitude = Math.abs(number);
  let i = 0;
  while (i + 1 < units.length && magnitude >= 0.9995 * units[i + 1][0]) ++i;
  return (number < 0 ? "-" : "") + threeDigits(magnitude / units[i][0]) + units[i][1];
}

export function formatTimeSpan(ns: number): string {
  return ns === 0 ? "0s" : inUnits(ns, TIME);
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

// A value of a profile in its sample unit.
export function formatValue(value: number, unit: string): string {
  if (unit in TIME_UNITS) return formatTimeSpan(value * TIME_UNITS[unit]);
  if (unit === "bytes") return inUnits(value, BYTES);
  return formatCount(value) + (unit === "count" || unit === "" ? "" : ` ${unit}`);
}

function percentDigits(share: number): string {
  const percent = share * 100;
  if (!(percent > 0)) return "0";
  if (percent >= 100) return "100";
  if (percent < 0.01) return "<0.01";
  if (percent > 99.95) return ">99.9";
  return threeDigits(percent);
}

// What is not 0 never reads "0%", what is not 1 never "100%".
export function formatPercent(share: number): string {
  return `${percentDigits(share)}%`;
}

export function formatInterval(interval: Interval): string {
  return `${percentDigits(interval.lower)}–${percentDigits(interval.upper)}%`;
}

// In percentage points, with its sign: "+1.2", "−0.03".
export function formatPoints(difference: number): string {
  const points = Math.abs(difference * 100);
  if (points < 0.005) return "0";
  return (difference < 0 ? "−" : "+") + threeDigits(points);
}

// Of cores, or of threads that wait.
export function formatRate(rate: number): string {
  return rate === 0
    ? "0"
    : rate < 0.001
      ? "<0.001"
      : rate
          .toPrecision(3)
          .replace(/(\.\d*?)0+$/, "$1")
          .replace(/\.$/, "");
}

// A function without the directories of its import path: "encoding/json.(*decoder).object" is
// "json.(*decoder).object". What stands in brackets (types, arguments) is left alone.
export function shortName(name: string): string {
  const end = name.search(/[[(<{ ]/);
  const slash = name.lastIndexOf("/", end <= 0 ? undefined : end);
  return slash < 0 || name.startsWith("[") ? name : name.slice(slash + 1);
}
