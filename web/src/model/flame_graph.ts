// A flame graph as the collector sends it: columns of the same length, a parent before its children, node 0
// is the root. Everything else in this directory is pure functions over it.

export const Kind = { Unknown: 0, Go: 1, Native: 2, Kernel: 3, Synthetic: 4 } as const;

export interface FlameGraph {
  names: string[];
  parent: Uint32Array; // 0 for the root itself
  name: Uint32Array; // index into names
  kind: Uint8Array;
  selfCount: Float64Array; // samples: what statistics use
  selfValue: Float64Array; // in the type's sample unit: what people look at
  totalCount: Float64Array;
  totalValue: Float64Array;
}

export function emptyGraph(nodes: number, names: string[]): FlameGraph {
  return {
    names,
    parent: new Uint32Array(nodes),
    name: new Uint32Array(nodes),
    kind: new Uint8Array(nodes),
    selfCount: new Float64Array(nodes),
    selfValue: new Float64Array(nodes),
    totalCount: new Float64Array(nodes),
    totalValue: new Float64Array(nodes),
  };
}

// The children of node i are child[first[i]] to child[first[i + 1]], in the order of their numbers.
export interface Children {
  first: Uint32Array;
  child: Uint32Array;
}

export function childrenOf(parent: Uint32Array): Children {
  const n = parent.length;
  const first = new Uint32Array(n + 1);
  for (let i = 1; i < n; ++i) ++first[parent[i] + 1];
  for (let i = 0; i < n; ++i) first[i + 1] += first[i];
  const next = first.slice(0, n);
  const child = new Uint32Array(Math.max(0, n - 1));
  for (let i = 1; i < n; ++i) child[next[parent[i]]++] = i;
  return { first, child };
}

// The names from the root's child to the node.
export function stackOf(graph: Pick<FlameGraph, "parent" | "name" | "names">, node: number): string[] {
  const stack: string[] = [];
  for (let i = node; i !== 0; i = graph.parent[i]) stack.push(graph.names[graph.name[i]]);
  return stack.reverse();
}

// A hash of each node's stack (FNV-1a over the names): the same stack has the same one in every answer, so
// that a link can name a node.
export function stackHashes(graph: Pick<FlameGraph, "parent" | "name" | "names">): Uint32Array {
  const ofName = graph.names.map((name) => {
    let hash = 2166136261;
    for (let i = 0; i < name.length; ++i) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
    return hash;
  });
  const hashes = new Uint32Array(graph.parent.length);
  for (let i = 1; i < hashes.length; ++i) {
    const mixed = Math.imul(hashes[graph.parent[i]] ^ ofName[graph.name[i]], 16777619);
    hashes[i] = mixed ^ (mixed >>> 15);
  }
  return hashes;
}
