import assert from "node:assert/strict";
import { test } from "node:test";
import { compile, search } from "./search";
import { graphOf } from "./synthetic";

test("what is below a match counts once", () => {
  const graph = graphOf([
    "json.Decode;json.value;json.Decode 4",
    "json.Decode;mem 2",
    "http;json.Decode 1",
    "http 3",
  ]);
  const found = search(graph, (name) => name.startsWith("json."));
  assert.equal(found.count, 7);
  assert.equal(found.value, 7e7);
  assert.equal(found.nodes, 4);
});

test("what is above a match is not one", () => {
  const graph = graphOf(["a;b 1"]);
  assert.deepEqual([...search(graph, (name) => name === "b").node], [0, 0, 1]);
});

test("the root is never a match", () => {
  assert.equal(search(graphOf(["a 1"]), () => true).nodes, 1);
});

test("without capitals either case matches", () => {
  assert.ok(compile("decode").expression!.test("json.Decode"));
  assert.ok(!compile("Decode").expression!.test("json.decode"));
});

test("an expression that makes no sense has a reason", () => {
  assert.match(compile("a(").error!, /group|parenthes/i);
  assert.equal(compile("a(").expression, undefined);
});
