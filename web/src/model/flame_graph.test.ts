import assert from "node:assert/strict";
import { test } from "node:test";
import { stackHashes, stackOf } from "./flame_graph";
import { graphOf, syntheticGraph } from "./synthetic";

test("a stack has the same hash in every graph, whatever its number there", () => {
  const one = graphOf(["main;work;sort 5", "main;wait 1"]);
  const other = graphOf(["idle 9", "main;wait 3", "main;work;sort 1"]);
  const hashOf = (graph: typeof one, stack: string) => {
    const node = Array.from(graph.parent, (_, i) => i).find((i) => stackOf(graph, i).join(";") === stack)!;
    return stackHashes(graph)[node];
  };
  assert.equal(hashOf(one, "main;work;sort"), hashOf(other, "main;work;sort"));
  assert.equal(hashOf(one, "main;wait"), hashOf(other, "main;wait"));
});

test("different stacks have different hashes, the root's is 0", () => {
  const graph = graphOf(["a;b 1", "b;a 1", "a;a 1", "b;b 1"]);
  const hashes = [...stackHashes(graph)];
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(hashes[0], 0);
});

test("of 50,000 stacks few share a hash", () => {
  const hashes = stackHashes(syntheticGraph(50_000));
  const stacks = new Set(Array.from(hashes, (_, i) => i)).size;
  assert.ok(new Set(hashes).size > stacks * 0.9);
});
