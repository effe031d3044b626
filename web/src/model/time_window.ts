// Times as they stand in addresses, and the windows that are made of them.

export interface TimeWindow {
  from: number; // Unix milliseconds
  to: number;
}

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };

// "1h30m" in milliseconds; undefined for what is no duration.
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?[smhdw])+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)([smhdw])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * UNITS[unit],
    0,
  );
}

// "now", "now-1h", "-1h", RFC 3339, Unix seconds or milliseconds: what the collector's addresses take.
export function parseTime(text: string, now: number): number | undefined {
  const relative = /^(?:now)?(?:-(.+))?$/.exec(text);
  if (relative && text !== "") {
    if (relative[1] === undefined) return now;
    const back = parseDuration(relative[1]);
    return back === undefined ? undefined : now - back;
  }
  if (/^\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return number > 95e9 ? number : number * 1000; // seconds would be past the year 5000
  }
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

const MINUTE = 60_000;
// A capture stands for a minute by default: smaller steps would have holes. Whole numbers of the usual
// intervals between captures, as steps with one more of them than their neighbours would be teeth.
const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * MINUTE);

// The step that divides the window into at most so many points, up to a year of days.
export function stepFor(window: TimeWindow, points: number): number {
  const least = (window.to - window.from) / points;
  return (
    STEPS.find((step) => step >= least) ??
    Math.ceil(least / STEPS[STEPS.length - 1]) * STEPS[STEPS.length - 1]
  );
}

// For an address, to the second where nothing is lost by it.
export function timeText(ms: number): string {
  return new Date(Math.round(ms)).toISOString().replace(".000Z", "Z");
}

const two = (n: number) => String(n).padStart(2, "0");

// In the reader's own time zone: "12:05", with the day when it is not the one of `reference`.
export function clockText(ms: number, reference?: number, seconds = false): string {
  const date = new Date(ms);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ""}`;
  const sameDay = reference !== undefined && new Date(reference).toDateString() === date.toDateString();
  return sameDay
    ? clock
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

// "12:00 – 13:00", with the days that are not today.
export function windowText(window: TimeWindow, now: number): string {
  return `${clockText(window.from, now)} – ${clockText(window.to, window.from)}`;
}
