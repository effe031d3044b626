import assert from "node:assert/strict";
import { test } from "node:test";
import { firstBeyond, layOut, neighbour, nodeAt } from "./layout";
import { graphOf, randomNumbers, syntheticGraph } from "./synthetic";

test("the heaviest child stands at the left, of equal ones the first", () => {
  const graph = graphOf(["a 1", "b 5", "c 1", "b;d 2"]);
  const layout = layOut(graph.parent, graph.totalCount);
  const inRow = (row: number) =>
    [...layout.order.subarray(layout.rowStart[row], layout.rowStart[row + 1])].map(
      (node) => graph.names[graph.name[node]],
    );
  assert.deepEqual(inRow(0), ["total"]);
  assert.deepEqual(inRow(1), ["b", "a", "c"]);
  assert.deepEqual(inRow(2), ["d"]);
});

test("children lie within their parent, side by side", () => {
  const graph = syntheticGraph(5000);
  const layout = layOut(graph.parent, graph.totalCount);
  for (let row = 1; row + 1 < layout.rowStart.length; ++row) {
    let end = 0;
    for (let i = layout.rowStart[row]; i < layout.rowStart[row + 1]; ++i) {
      const node = layout.order[i];
      const parent = graph.parent[node];
      assert.equal(layout.row[node], layout.row[parent] + 1);
      assert.ok(layout.left[node] >= end);
      end = layout.left[node] + graph.totalCount[node];
      assert.ok(layout.left[node] >= layout.left[parent]);
      assert.ok(end <= layout.left[parent] + graph.totalCount[parent]);
    }
  }
});

test("each node is laid out once, also where one has many children", () => {
  const graph = graphOf(Array.from({ length: 200 }, (_, i) => `f${i};g ${(i * 7919) % 211}`));
  const layout = layOut(graph.parent, graph.totalCount);
  assert.deepEqual(
    [...layout.order].sort((a, b) => a - b),
    Array.from(graph.parent, (_, i) => i),
  );
});

test("a place is found as by looking at every node", () => {
  const graph = syntheticGraph(2000, 7);
  const layout = layOut(graph.parent, graph.totalCount);
  const random = randomNumbers(3);
  for (let k = 0; k < 2000; ++k) {
    const row = Math.floor(random() * (layout.rowStart.length - 1));
    const x = random() * graph.totalCount[0];
    const wanted = Array.from(graph.parent, (_, i) => i).find(
      (i) => layout.row[i] === row && layout.left[i] <= x && x < layout.left[i] + graph.totalCount[i],
    );
    assert.equal(nodeAt(layout, graph.totalCount, row, x), wanted ?? -1);
  }
});

test("no place beyond the rows and the right edge", () => {
  const graph = graphOf(["a 1"]);
  const layout = layOut(graph.parent, graph.totalCount);
  assert.equal(nodeAt(layout, graph.totalCount, 2, 0.5), -1);
  assert.equal(nodeAt(layout, graph.totalCount, -1, 0.5), -1);
  assert.equal(nodeAt(layout, graph.totalCount, 1, 1), -1);
  assert.equal(firstBeyond(layout, graph.totalCount, 1, 1), layout.rowStart[2]);
});

test("arrow keys go to the parent, the heaviest child and along the row, and stay at an end", () => {
  const graph = graphOf(["a;x 1", "a;y 3", "b 9"]);
  const layout = layOut(graph.parent, graph.totalCount);
  const node = (name: string) => graph.name.findIndex((n) => graph.names[n] === name);
  const go = (from: string, direction: Parameters<typeof neighbour>[3]) =>
    graph.names[graph.name[neighbour(layout, graph.parent, node(from), direction)]];
  assert.equal(go("a", "parent"), "total");
  assert.equal(go("a", "child"), "y");
  assert.equal(go("a", "previous"), "b");
  assert.equal(go("b", "next"), "a");
  assert.equal(go("y", "next"), "x");
  assert.equal(go("x", "next"), "x");
  assert.equal(go("x", "child"), "x");
});

test("an empty graph has no rows to draw", () => {
  assert.deepEqual([...layOut(new Uint32Array(), new Float64Array()).order], []);
});
