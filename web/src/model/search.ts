// Which nodes a regular expression finds, and what share of everything they are.
import type { FlameGraph } from "./flame_graph";

export interface Found {
  node: Uint8Array; // 1 for a match
  nodes: number;
  // Of the outermost matches: what is below a match counts once.
  count: number;
  value: number;
}

// Undefined with a reason for an expression that makes no sense. Without capitals it matches either case.
export function compile(pattern: string): { expression?: RegExp; error?: string } {
  try {
    return { expression: new RegExp(pattern, /[A-Z]/.test(pattern) ? "u" : "iu") };
  } catch (error) {
    return { error: (error as Error).message.replace(/^Invalid regular expression: /, "") };
  }
}

export function search(graph: FlameGraph, matches: (name: string) => boolean): Found {
  const ofName = graph.names.map(matches);
  const n = graph.parent.length;
  const node = new Uint8Array(n);
  const inside = new Uint8Array(n);
  let nodes = 0;
  let count = 0;
  let value = 0;
  for (let i = 1; i < n; ++i) {
    const above = inside[graph.parent[i]];
    if (ofName[graph.name[i]]) {
      node[i] = 1;
      ++nodes;
      if (!above) {
        count += graph.totalCount[i];
        value += graph.totalValue[i];
      }
    }
    inside[i] = above | node[i];
  }
  return { node, nodes, count, value };
}
