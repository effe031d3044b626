import assert from "node:assert/strict";
import { test } from "node:test";
import { differenceFill, DIFFERENCE_STEPS } from "./colours";
import { differenceWeights } from "./difference";
import { wilson } from "./statistics";

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 5e-5, `${actual} is not ${expected}`);

test("the interval is Wilson's", () => {
  // 10 of 100 and 0 of 10, as in Newcombe 1998, and the collector's tests.
  near(wilson(10, 100).lower, 0.05523);
  near(wilson(10, 100).upper, 0.17437);
  near(wilson(81, 263).lower, 0.2553);
  near(wilson(81, 263).upper, 0.3662);
  near(wilson(0, 20).upper, 0.1611);
});

test("the interval stays within 0 and 1, and says nothing of nothing", () => {
  assert.equal(wilson(0, 10).lower, 0);
  assert.equal(wilson(10, 10).upper, 1);
  assert.deepEqual(wilson(0, 0), { lower: 0, upper: 1 });
});

test("what may be chance has no colour, whatever its size", () => {
  assert.equal(differenceFill(0.9, 0.1, false), 0);
  assert.equal(differenceFill(0.1, 0.1, true), 0);
});

test("growth and shrinking are different colours, the stronger the larger", () => {
  assert.equal(differenceFill(0.1, 0, true), DIFFERENCE_STEPS);
  assert.equal(differenceFill(0, 0.1, true), 2 * DIFFERENCE_STEPS);
  assert.equal(differenceFill(0.1, 0.099, true), 1);
  assert.ok(differenceFill(0.3, 0.1, true) > differenceFill(0.12, 0.1, true));
});

test("in a difference a parent is as wide as its children", () => {
  const weights = differenceWeights({
    base: Float64Array.of(10, 4, 6),
    comparison: Float64Array.of(100, 90, 10),
    baseTotal: 10,
    comparisonTotal: 100,
  });
  assert.deepEqual(
    [...weights].map((w) => Math.round(w * 100)),
    [100, 65, 35],
  );
});
