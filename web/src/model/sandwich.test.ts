import assert from "node:assert/strict";
import { test } from "node:test";
import { stackOf, type FlameGraph } from "./flame_graph";
import { sandwich } from "./sandwich";
import { graphOf, syntheticGraph } from "./synthetic";

// "b;c": [total, self]
function asObject(graph: FlameGraph): Record<string, number[]> {
  return Object.fromEntries(
    Array.from(graph.parent, (_, i) => [
      stackOf(graph, i).join(";"),
      [graph.totalCount[i], graph.selfCount[i]],
    ]),
  );
}

const graph = graphOf(["main;a;f;x 3", "main;b;f;x 2", "main;b;f;y 1", "main;b;f 4", "main;z 9"]);

test("callees are merged over all callers", () => {
  assert.deepEqual(asObject(sandwich(graph, "f").callees), { "": [10, 4], x: [5, 5], y: [1, 1] });
});

test("callers are merged by name, the nearest first", () => {
  assert.deepEqual(asObject(sandwich(graph, "f").callers), {
    "": [10, 0],
    a: [3, 0],
    "a;main": [3, 3],
    b: [7, 0],
    "b;main": [7, 7],
  });
});

test("a function that calls itself counts once", () => {
  const recursive = graphOf(["main;f;g;f;x 2", "main;f 1"]);
  const { callers, callees } = sandwich(recursive, "f");
  assert.equal(callees.totalCount[0], 3);
  assert.equal(callers.totalCount[0], 3);
  assert.deepEqual(asObject(callees), { "": [3, 1], g: [2, 0], "g;f": [2, 0], "g;f;x": [2, 2] });
});

test("both sides have the function's own total, and a parent before its children", () => {
  const large = syntheticGraph(20_000);
  for (const name of [large.names[1], large.names[2], large.names[30]]) {
    const { callers, callees } = sandwich(large, name);
    assert.equal(callers.totalCount[0], callees.totalCount[0]);
    for (const side of [callers, callees]) {
      const below = new Float64Array(side.parent.length);
      for (let i = 1; i < side.parent.length; ++i) {
        assert.ok(side.parent[i] < i);
        below[side.parent[i]] += side.totalCount[i];
      }
      side.totalCount.forEach((total, i) => assert.equal(total, below[i] + side.selfCount[i]));
    }
  }
});

test("a function without callers is its own outermost frame", () => {
  const { callers } = sandwich(graphOf(["f 2"]), "f");
  assert.deepEqual(asObject(callers), { "": [2, 2] });
});
