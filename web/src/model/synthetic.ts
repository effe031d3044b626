// Made-up flame graphs, for tests and for the measurement of drawing.
import { Kind, emptyGraph, type FlameGraph } from "./flame_graph";

// The same numbers on every machine (mulberry32).
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// A tree of so many nodes, some 60 rows deep: half of the nodes go on below one of the newest.
export function syntheticGraph(nodes: number, seed = 1): FlameGraph {
  const random = randomNumbers(seed);
  const names = ["total"];
  for (let i = 1; i < 2000; ++i) {
    names.push(
      i % 3 === 0 ? `runtime.function${i}` : `example.com/shop/package${i % 40}.(*Type${i % 7}).Method${i}`,
    );
  }
  const graph = emptyGraph(nodes, names);
  const depth = new Uint16Array(nodes);
  for (let i = 1; i < nodes; ++i) {
    let parent = Math.floor(random() < 0.5 ? Math.max(0, i - 1 - random() * 20) : random() * i);
    while (depth[parent] > 60) parent = graph.parent[parent];
    graph.parent[i] = parent;
    depth[i] = depth[parent] + 1;
    graph.name[i] = 1 + Math.floor(random() ** 2 * (names.length - 1));
    graph.kind[i] = random() < 0.05 ? Kind.Kernel : Kind.Go;
    graph.selfCount[i] = Math.floor(1 + random() ** 8 * 200);
  }
  addTotals(graph);
  return graph;
}

// Fills the totals, and the values as 10 ms for each sample, from selfCount.
export function addTotals(graph: FlameGraph): void {
  graph.totalCount.set(graph.selfCount);
  for (let i = graph.parent.length - 1; i > 0; --i) graph.totalCount[graph.parent[i]] += graph.totalCount[i];
  graph.selfValue.set(graph.selfCount.map((count) => count * 1e7));
  graph.totalValue.set(graph.totalCount.map((count) => count * 1e7));
}

// Of lines "a;b;c 12".
export function graphOf(folded: string[]): FlameGraph {
  const names = ["total"];
  const nameNumber = (name: string) => {
    if (!names.includes(name, 1)) names.push(name);
    return names.indexOf(name, 1);
  };
  const parent = [0];
  const name = [0];
  const self = [0];
  for (const line of folded) {
    const [, stack, count] = /^(.*) (\d+)$/.exec(line)!;
    let node = 0;
    for (const frame of stack.split(";")) {
      const number = nameNumber(frame);
      let child = parent.findIndex((p, i) => i > 0 && p === node && name[i] === number);
      if (child < 0) {
        child = parent.push(node) - 1;
        name.push(number);
        self.push(0);
      }
      node = child;
    }
    self[node] += Number(count);
  }
  const graph = emptyGraph(parent.length, names);
  graph.parent.set(parent);
  graph.name.set(name);
  graph.kind.fill(Kind.Go);
  graph.selfCount.set(self);
  addTotals(graph);
  return graph;
}
