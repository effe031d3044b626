import assert from "node:assert/strict";
import { test } from "node:test";
import { ratesOf, rateUnitOf } from "./rate";

const MINUTE = 60_000;
const cores = (n: number, minutes: number) => n * minutes * MINUTE * 1e6; // nanoseconds of CPU

test("CPU time in a step is cores", () => {
  const { at, value } = ratesOf([0, MINUTE], [cores(2, 1), cores(3, 1)], MINUTE, 2 * MINUTE, true);
  assert.deepEqual(value, [2, 3]);
  assert.deepEqual(at, [MINUTE / 2, 1.5 * MINUTE]);
});

test("captures that are rarer than steps stand for the time to the next one", () => {
  const start = [0, 10, 20, 30].map((minutes) => minutes * MINUTE);
  const { value } = ratesOf(
    start,
    start.map(() => cores(1.5, 10)),
    MINUTE,
    40 * MINUTE,
    true,
  );
  assert.deepEqual(value, [1.5, 1.5, 1.5, 1.5]);
});

test("where nothing was watched there is a hole", () => {
  const start = [0, 1, 2, 9, 10].map((minutes) => minutes * MINUTE);
  const { value } = ratesOf(
    start,
    start.map(() => cores(1, 1)),
    MINUTE,
    11 * MINUTE,
    true,
  );
  assert.deepEqual(value, [1, 1, 1, null, 1, 1]);
});

test("a step that has only begun does not look like a drop", () => {
  const start = [0, 10, 20].map((minutes) => minutes * MINUTE);
  const sums = (last: number) => [cores(1, 10), cores(1, 10), cores(1, last)];
  assert.deepEqual(ratesOf(start, sums(6), 10 * MINUTE, 26 * MINUTE, true).value, [1, 1, 1]);
  assert.deepEqual(ratesOf(start, sums(2), 10 * MINUTE, 22 * MINUTE, true).value, [1, 1]);
});

test("what is no time is left as it is", () => {
  assert.deepEqual(ratesOf([0], [12], MINUTE, MINUTE, false).value, [12]);
});

test("time is cores only where it is CPU time", () => {
  assert.equal(rateUnitOf("cpu", "nanoseconds")?.unit, "cores");
  assert.equal(rateUnitOf("off_cpu", "nanoseconds")?.unit, "threads");
  assert.equal(rateUnitOf("delay", "nanoseconds")?.unit, "waiting");
  assert.equal(rateUnitOf("inuse_space", "bytes"), null);
});
