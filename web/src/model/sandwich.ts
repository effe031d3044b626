// The callers and the callees of one function, each merged by name over all the places where it is called.
import { Kind, emptyGraph, type FlameGraph } from "./flame_graph";

export interface Sandwich {
  callers: FlameGraph; // the root is the function, its children are its callers
  callees: FlameGraph; // the root is the function
}

// Appends nodes, one for each (parent, name).
class Merger {
  private readonly numbers = new Map<number, number>();
  readonly parent: number[] = [0];
  readonly name: number[];
  readonly kind: number[];

  constructor(
    root: number,
    kind: number,
    private readonly names: number,
  ) {
    this.name = [root];
    this.kind = [kind];
  }

  child(parent: number, name: number, kind: number): number {
    const key = parent * this.names + name;
    let node = this.numbers.get(key);
    if (node === undefined) {
      node = this.parent.length;
      this.numbers.set(key, node);
      this.parent.push(parent);
      this.name.push(name);
      this.kind.push(kind);
    }
    return node;
  }

  graph(names: string[]): FlameGraph {
    const graph = emptyGraph(this.parent.length, names);
    graph.parent.set(this.parent);
    graph.name.set(this.name);
    graph.kind.set(this.kind);
    return graph;
  }
}

// Of a function that calls itself, the outermost call is the function: what is below is its own.
export function sandwich(graph: FlameGraph, functionName: string): Sandwich {
  const wanted = graph.names.indexOf(functionName);
  const n = graph.parent.length;
  const outermost: number[] = [];
  const below = new Uint32Array(n); // the node of `callees` that a node became; 0 is the function itself
  const inside = new Uint8Array(n);
  let kind: number = Kind.Unknown;
  for (let i = 1; i < n; ++i) {
    inside[i] = inside[graph.parent[i]];
    if (inside[i] || graph.name[i] !== wanted) continue;
    inside[i] = 2;
    outermost.push(i);
    kind = graph.kind[i];
  }
  const callees = new Merger(Math.max(0, wanted), kind, graph.names.length);
  for (let i = 1; i < n; ++i) {
    if (inside[i] === 0) continue;
    inside[i] = 1;
    const isRoot = inside[graph.parent[i]] === 0;
    below[i] = isRoot ? 0 : callees.child(below[graph.parent[i]], graph.name[i], graph.kind[i]);
  }
  const calleeGraph = callees.graph(graph.names);
  for (let i = 1; i < n; ++i) {
    if (inside[i] === 0) continue;
    calleeGraph.selfCount[below[i]] += graph.selfCount[i];
    calleeGraph.selfValue[below[i]] += graph.selfValue[i];
    calleeGraph.totalCount[below[i]] += graph.totalCount[i];
    calleeGraph.totalValue[below[i]] += graph.totalValue[i];
  }

  const callers = new Merger(Math.max(0, wanted), kind, graph.names.length);
  const added: { node: number; from: number; whole: boolean }[] = [];
  for (const start of outermost) {
    let node = 0;
    added.push({ node, from: start, whole: graph.parent[start] === 0 });
    for (let i = graph.parent[start]; i !== 0; i = graph.parent[i]) {
      node = callers.child(node, graph.name[i], graph.kind[i]);
      added.push({ node, from: start, whole: graph.parent[i] === 0 });
    }
  }
  const callerGraph = callers.graph(graph.names);
  for (const { node, from, whole } of added) {
    callerGraph.totalCount[node] += graph.totalCount[from];
    callerGraph.totalValue[node] += graph.totalValue[from];
    if (!whole) continue;
    callerGraph.selfCount[node] += graph.totalCount[from];
    callerGraph.selfValue[node] += graph.totalValue[from];
  }
  return { callers: callerGraph, callees: calleeGraph };
}
