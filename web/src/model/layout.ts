// Where each node of a tree is drawn: its row, and its left edge in units of its weight.
import { childrenOf } from "./flame_graph";

export interface Layout {
  order: Uint32Array; // nodes row by row, from left to right
  rowStart: Uint32Array; // the nodes of row r are order[rowStart[r]] to order[rowStart[r + 1]]
  row: Uint16Array; // by node
  left: Float64Array; // by node
}

// The heaviest child goes to the left; of equal ones the first by number.
export function layOut(parent: Uint32Array, weight: Float64Array): Layout {
  const n = parent.length;
  const { first, child } = childrenOf(parent);
  const heavier = (a: number, b: number) => weight[b] - weight[a] || a - b;
  const order = new Uint32Array(n);
  const row = new Uint16Array(n);
  const left = new Float64Array(n);
  const rowStart: number[] = [0];
  let end = n === 0 ? 0 : 1;
  // Breadth first, so each row comes out sorted by its left edge.
  for (let i = 0; i < end; ++i) {
    const node = order[i];
    if (row[node] === rowStart.length) rowStart.push(i);
    const children = child.subarray(first[node], first[node + 1]);
    if (children.length > 1) sortFewFast(children, heavier);
    let x = left[node];
    for (const c of children) {
      left[c] = x;
      x += weight[c];
      row[c] = row[node] + 1;
      order[end++] = c;
    }
  }
  rowStart.push(end);
  return { order, rowStart: Uint32Array.from(rowStart), row, left };
}

// Most nodes have few children, for which a typed array's own sort is slow.
function sortFewFast(items: Uint32Array, compare: (a: number, b: number) => number): void {
  if (items.length > 24) {
    items.sort(compare);
    return;
  }
  for (let i = 1; i < items.length; ++i) {
    const item = items[i];
    let j = i;
    for (; j > 0 && compare(items[j - 1], item) > 0; --j) items[j] = items[j - 1];
    items[j] = item;
  }
}

// The number of the first node in the row whose right edge is beyond x, as an index into `order`.
export function firstBeyond(layout: Layout, weight: Float64Array, row: number, x: number): number {
  let low = layout.rowStart[row];
  let high = layout.rowStart[row + 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const node = layout.order[middle];
    if (layout.left[node] + weight[node] > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The node at (row, x), or -1.
export function nodeAt(layout: Layout, weight: Float64Array, row: number, x: number): number {
  if (row < 0 || row + 1 >= layout.rowStart.length) return -1;
  const at = firstBeyond(layout, weight, row, x);
  if (at >= layout.rowStart[row + 1]) return -1;
  const node = layout.order[at];
  return layout.left[node] <= x ? node : -1;
}

export type Direction = "parent" | "child" | "previous" | "next";

// The neighbour that an arrow key goes to, or the node itself where there is none.
export function neighbour(layout: Layout, parent: Uint32Array, node: number, direction: Direction): number {
  const row = layout.row[node];
  if (direction === "parent") return parent[node];
  if (direction === "child") {
    if (row + 2 >= layout.rowStart.length) return node;
    for (let i = layout.rowStart[row + 1]; i < layout.rowStart[row + 2]; ++i) {
      if (parent[layout.order[i]] === node) return layout.order[i]; // the heaviest stands first
    }
    return node;
  }
  const at = layout.order.subarray(layout.rowStart[row], layout.rowStart[row + 1]).indexOf(node);
  const other = layout.rowStart[row] + at + (direction === "next" ? 1 : -1);
  return other >= layout.rowStart[row] && other < layout.rowStart[row + 1] ? layout.order[other] : node;
}
