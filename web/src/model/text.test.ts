import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatRate,
  formatCount,
  formatInterval,
  formatPercent,
  formatPoints,
  formatValue,
  shortName,
} from "./format";
import { formatSelector, ofService, parseSelector } from "./selector";
import { parseDuration, parseTime, stepFor, timeText } from "./time_window";
import { DEFAULTS, readState, writeState, type State } from "./url_state";

test("numbers read as those of the collector's own tables", () => {
  assert.equal(formatValue(1.52e9, "nanoseconds"), "1.52s");
  assert.equal(formatValue(999.6e6, "nanoseconds"), "1s");
  assert.equal(formatValue(1.5 * 1024 * 1024, "bytes"), "1.5MiB");
  assert.equal(formatValue(1234567, "count"), "1,234,567");
  assert.equal(formatValue(12, "requests"), "12 requests");
  assert.equal(formatCount(0), "0");
  assert.equal(formatPercent(0.1234), "12.3%");
  assert.equal(formatPercent(1e-9), "<0.01%");
  assert.equal(formatPercent(0.99999), ">99.9%");
  assert.equal(formatInterval({ lower: 0.101, upper: 0.146 }), "10.1–14.6%");
});

test("cores and points keep their meaning when small", () => {
  assert.equal(formatRate(12.345), "12.3");
  assert.equal(formatRate(0.5), "0.5");
  assert.equal(formatRate(100), "100");
  assert.equal(formatRate(0.0001), "<0.001");
  assert.equal(formatPoints(0.012), "+1.2");
  assert.equal(formatPoints(-0.0003), "−0.03");
  assert.equal(formatPoints(0.00001), "0");
});

test("a short name keeps types and arguments", () => {
  assert.equal(shortName("encoding/json.(*decodeState).object"), "json.(*decodeState).object");
  assert.equal(shortName("example.com/a/b.Map[example.com/c.Key]"), "b.Map[example.com/c.Key]");
  assert.equal(shortName("main.main"), "main.main");
  assert.equal(shortName("operator/(a/b)"), "operator/(a/b)".slice(9));
  assert.equal(shortName("[vdso/x]"), "[vdso/x]");
});

test("a selector survives the way to chips and back", () => {
  const text = '{service_name="a \\"b\\" \\\\ c", pod=~"x-.*", namespace!="kube", zone!~"eu|us"}';
  assert.equal(formatSelector(parseSelector(text)!), text);
  assert.deepEqual(parseSelector("{}"), []);
  assert.deepEqual(parseSelector(""), []);
  assert.deepEqual(parseSelector("{a='b,}',}"), [{ name: "a", operator: "=", value: "b,}" }]);
  assert.equal(ofService('q"'), '{service_name="q\\""}');
});

test("what is no selector is left to the collector to judge", () => {
  for (const text of ["service", "{a}", '{a="b" c="d"}', '{a="b', '{a=="b"}'])
    assert.equal(parseSelector(text), undefined);
});

test("times are read as the collector reads them", () => {
  const now = Date.UTC(2024, 4, 1, 12);
  assert.equal(parseTime("now", now), now);
  assert.equal(parseTime("now-1h30m", now), now - 5_400_000);
  assert.equal(parseTime("-15m", now), now - 900_000);
  assert.equal(parseTime("2024-05-01T12:00:00Z", 0), now);
  assert.equal(parseTime(String(now / 1000), 0), now);
  assert.equal(parseTime(String(now), 0), now);
  for (const text of ["", "yesterday", "now-", "now-1x", "5 minutes"])
    assert.equal(parseTime(text, now), undefined);
  assert.equal(parseDuration("1d12h"), 36 * 3_600_000);
  assert.equal(timeText(now), "2024-05-01T12:00:00Z");
});

test("steps are whole intervals between captures, and not more than asked for", () => {
  const hours = (n: number) => ({ from: 0, to: n * 3_600_000 });
  assert.equal(stepFor(hours(0.1), 240), 60_000);
  assert.equal(stepFor(hours(24), 60), 30 * 60_000);
  assert.equal(stepFor(hours(24 * 365), 240), 2 * 24 * 3_600_000);
});

test("the address gives back the whole state", () => {
  const state: State = {
    selector: '{service_name="a&b=c"}',
    from: "now-6h",
    to: "now-1h",
    over_from: "now-1d",
    over_to: "now",
    type: "memory:inuse_space:bytes:space:bytes",
    focus: "^a+b$",
    ignore: "x|y",
    view: "sandwich",
    order: "cumulative",
    direction: "up",
    search: "é;[x] %",
    function: "f[…]",
    zoom: "1a2b",
    base_from: "now-2d",
    base_to: "now-1d",
    base_selector: '{version="1"}',
    sort: "gc",
  };
  assert.deepEqual(readState(writeState(state)), state);
});

test("an address without anything is the list of services; an empty selector is everything", () => {
  assert.deepEqual(readState(""), DEFAULTS);
  assert.equal(readState("?selector=").selector, "");
  assert.equal(readState(writeState({ ...DEFAULTS, selector: "" })).selector, "");
});

test("what the address has wrong does not hide the rest", () => {
  assert.equal(readState("?view=nonsense&from=now-3h").view, "both");
  assert.equal(readState("?view=nonsense&from=now-3h").from, "now-3h");
});
