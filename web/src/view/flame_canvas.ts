// Draws a flame graph on a canvas and finds what is under the pointer. The canvas is as large as the part of
// the graph that is in sight; a spacer below it gives the scroll bar its length.
import type { Palette } from "../model/colours";
import { shortName } from "../model/format";
import { firstBeyond, layOut, neighbour, nodeAt, type Direction, type Layout } from "../model/layout";

export interface FlameModel {
  names: string[];
  parent: Uint32Array;
  name: Uint32Array;
  weight: Float64Array; // by node, a parent's at least the sum of its children's
  fills: Uint8Array; // by node, index into the palette
}

export interface FlameEvents {
  onHover(node: number, x: number, y: number): void; // -1: none; x and y in the window
  onSelect(node: number): void;
  onZoom(node: number): void;
}

export const ROW = 18;
const FONT = "11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace";
const PADDING = 4;
const MIN_LABEL_CHARACTERS = 3;
const FADED = 0.33;
const ZOOM_MS = 160;

export class FlameCanvas {
  readonly canvas: HTMLCanvasElement;
  private readonly spacer: HTMLDivElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly resized: ResizeObserver;
  private model: FlameModel | null = null;
  private layout: Layout = layOut(new Uint32Array(), new Float64Array());
  private shortNames: (string | undefined)[] = [];
  private palette: Palette = { fills: [], text: "" };
  private accent = "";
  private background = "";
  private matches: Uint8Array | null = null;
  private up = false;
  private zoomed = 0;
  private selected = -1;
  private left = 0; // what fills the width, in units of weight
  private right = 1;
  private width = 0;
  private height = 0;
  private characterWidth = 6.6;
  private frame = 0;
  private animation: { from: [number, number]; to: [number, number]; start: number } | null = null;
  private drag: { x: number; left: number; moved: boolean } | null = null;

  constructor(
    private readonly scroller: HTMLElement,
    private readonly events: FlameEvents,
  ) {
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.spacer = document.createElement("div");
    scroller.append(this.canvas, this.spacer);
    this.context = this.canvas.getContext("2d")!;
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(scroller);
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    this.canvas.addEventListener("pointerdown", (event) => this.pointerDown(event));
    this.canvas.addEventListener("pointermove", (event) => this.pointerMove(event));
    this.canvas.addEventListener("pointerup", (event) => this.pointerUp(event));
    this.canvas.addEventListener("pointerleave", () => this.events.onHover(-1, 0, 0));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.resize();
  }

  destroy(): void {
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    this.canvas.remove();
    this.spacer.remove();
  }

  setModel(model: FlameModel): void {
    this.model = model;
    this.layout = layOut(model.parent, model.weight);
    this.shortNames = [];
    this.matches = null;
    this.selected = -1;
    this.zoomed = 0;
    this.animation = null;
    [this.left, this.right] = this.extentOf(0);
    this.resize();
    if (this.up) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  setPalette(palette: Palette, accent: string, background: string): void {
    this.palette = palette;
    this.accent = accent;
    this.background = background;
    this.draw();
  }

  setMatches(matches: Uint8Array | null): void {
    this.matches = matches;
    this.draw();
  }

  // Upwards, as a flame, or downwards, as an icicle.
  setDirection(up: boolean): void {
    if (this.up === up) return;
    this.up = up;
    this.scroller.scrollTop = up ? this.scroller.scrollHeight : 0;
    this.draw();
  }

  setZoom(node: number, animated = true): void {
    if (!this.model || node >= this.model.parent.length) return;
    this.zoomed = node;
    const to = this.extentOf(node);
    if (animated && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.animation = { from: [this.left, this.right], to, start: performance.now() };
    } else {
      this.animation = null;
      [this.left, this.right] = to;
    }
    this.draw();
  }

  setSelected(node: number): void {
    this.selected = node;
    this.draw();
  }

  // Rows of the whole graph.
  get rows(): number {
    return this.layout.rowStart.length - 1;
  }

  // For tests and pictures: where the middle of a node is in the window, when it is in sight.
  positionOf(node: number): { x: number; y: number } | null {
    if (!this.model) return null;
    const box = this.canvas.getBoundingClientRect();
    const start = Math.max(this.left, this.layout.left[node]);
    const end = Math.min(this.right, this.layout.left[node] + this.model.weight[node]);
    if (end <= start) return null;
    const x = (((start + end) / 2 - this.left) / (this.right - this.left)) * this.width;
    return { x: box.left + x, y: box.top + this.top(this.layout.row[node]) + ROW / 2 };
  }

  private extentOf(node: number): [number, number] {
    const left = this.layout.left[node] ?? 0;
    return [left, left + (this.model?.weight[node] || 1)];
  }

  // The upper edge of a row, in CSS pixels from that of the canvas.
  private top(row: number): number {
    const fromTop = this.up ? Math.max(this.height, this.rows * ROW) - (row + 1) * ROW : row * ROW;
    return fromTop - this.scroller.scrollTop;
  }

  private resize(): void {
    this.width = this.scroller.clientWidth;
    this.height = this.scroller.clientHeight;
    const ratio = devicePixelRatio;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.spacer.style.height = `${Math.max(0, this.rows * ROW - this.height)}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.font = FONT;
    this.characterWidth = this.context.measureText("M").width || this.characterWidth;
    this.draw();
  }

  private draw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame((now) => this.drawNow(now));
  }

  // Public for the measurement of its cost.
  drawNow(now: number): void {
    this.frame = 0;
    if (!this.model) return;
    if (this.animation) {
      const done = Math.min(1, (now - this.animation.start) / ZOOM_MS);
      const eased = 1 - (1 - done) ** 3;
      const { from, to } = this.animation;
      this.left = from[0] + (to[0] - from[0]) * Math.max(0, eased);
      this.right = from[1] + (to[1] - from[1]) * Math.max(0, eased);
      if (done >= 1) this.animation = null;
      else this.draw();
    }
    const { context } = this;
    context.globalAlpha = 1;
    context.fillStyle = this.background;
    context.fillRect(0, 0, this.width, this.height);
    context.font = FONT;
    context.textBaseline = "middle";
    for (let row = 0; row < this.rows; ++row) {
      const y = this.top(row);
      if (y > -ROW && y < this.height) this.drawRow(row, y);
    }
    context.globalAlpha = 1;
    if (this.selected >= 0) this.drawSelection();
  }

  private drawRow(row: number, y: number): void {
    const { context, layout, matches } = this;
    const { weight, name, fills } = this.model!;
    const scale = this.width / (this.right - this.left);
    const end = layout.rowStart[row + 1];
    const aboveZoom = row < layout.row[this.zoomed];
    let drawnTo = -1;
    for (let i = firstBeyond(layout, weight, row, this.left); i < end; ) {
      const node = layout.order[i];
      if (layout.left[node] >= this.right) break;
      const x = Math.max(0, (layout.left[node] - this.left) * scale);
      const x1 = Math.min(this.width, (layout.left[node] + weight[node] - this.left) * scale);
      context.fillStyle = this.palette.fills[fills[node]];
      context.globalAlpha = (matches && !matches[node] ? FADED : 1) * (aboveZoom ? 0.55 : 1);
      if (x1 - x < 1) {
        // Many of these share a pixel: the first one of a pixel stands for all.
        const pixel = Math.max(Math.floor(x), drawnTo);
        context.fillRect(pixel, y, 1, ROW - 1);
        drawnTo = pixel + 1;
        const next = firstBeyond(layout, weight, row, this.left + drawnTo / scale);
        i = Math.max(next, i + 1);
        continue;
      }
      context.fillRect(x, y, Math.max(1, x1 - x - 0.5), ROW - 1);
      drawnTo = x1;
      const characters = Math.floor((x1 - x - 2 * PADDING) / this.characterWidth);
      if (characters >= MIN_LABEL_CHARACTERS) {
        context.fillStyle = this.palette.text;
        context.fillText(this.label(name[node], characters), x + PADDING, y + ROW / 2);
      }
      ++i;
    }
  }

  private label(name: number, characters: number): string {
    const whole = this.model!.names[name];
    if (whole.length <= characters) return whole;
    const short = (this.shortNames[name] ??= shortName(whole));
    return short.length <= characters ? short : `${short.slice(0, characters - 1)}…`;
  }

  private drawSelection(): void {
    const { context } = this;
    const { weight } = this.model!;
    const scale = this.width / (this.right - this.left);
    const x = (this.layout.left[this.selected] - this.left) * scale;
    const x1 = x + weight[this.selected] * scale;
    if (x1 < 0 || x > this.width) return;
    context.strokeStyle = this.accent;
    context.lineWidth = 2;
    const from = Math.max(1, x);
    context.strokeRect(
      from,
      this.top(this.layout.row[this.selected]),
      Math.max(2, Math.min(this.width - 1, x1) - from),
      ROW - 1,
    );
  }

  private under(event: PointerEvent | WheelEvent): number {
    if (!this.model) return -1;
    const box = this.canvas.getBoundingClientRect();
    const fromTop = event.clientY - box.top + this.scroller.scrollTop;
    const whole = Math.max(this.height, this.rows * ROW);
    const row = Math.floor((this.up ? whole - fromTop : fromTop) / ROW);
    return nodeAt(this.layout, this.model.weight, row, this.unitsAt(event.clientX - box.left));
  }

  private unitsAt(x: number): number {
    return this.left + (x / this.width) * (this.right - this.left);
  }

  private pointerDown(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.drag = { x: event.clientX, left: this.left, moved: false };
  }

  private pointerMove(event: PointerEvent): void {
    if (this.drag && event.buttons & 1) {
      const shift = event.clientX - this.drag.x;
      if (Math.abs(shift) > 4 && !this.drag.moved) {
        this.drag.moved = true;
        this.canvas.setPointerCapture(event.pointerId);
        this.events.onHover(-1, 0, 0);
      }
      if (this.drag.moved) this.show(this.drag.left - (shift / this.width) * (this.right - this.left));
      if (this.drag.moved) return;
    }
    this.events.onHover(this.under(event), event.clientX, event.clientY);
  }

  private pointerUp(event: PointerEvent): void {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.moved) return;
    const node = this.under(event);
    if (node < 0) return;
    this.setSelected(node);
    this.events.onSelect(node);
    this.events.onZoom(node);
  }

  // The same width from another left edge, within the graph.
  private show(left: number, width = this.right - this.left): void {
    const total = this.model?.weight[0] || 1;
    this.animation = null;
    const kept = Math.min(total, width);
    this.left = Math.min(Math.max(0, left), total - kept);
    this.right = this.left + kept;
    this.draw();
  }

  // With Ctrl (or two fingers spread) to zoom, sideways to pan; else the browser scrolls.
  private wheel(event: WheelEvent): void {
    if (!this.model) return;
    const width = this.right - this.left;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const at = this.unitsAt(event.clientX - this.canvas.getBoundingClientRect().left);
      const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.01);
      const narrowest = this.model.weight[0] * 1e-7;
      const to = Math.max(narrowest, width * factor);
      this.show(at - ((at - this.left) / width) * to, to);
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.show(this.left + (event.deltaX / this.width) * width);
    }
  }

  private key(event: KeyboardEvent): void {
    if (!this.model || event.ctrlKey || event.metaKey || event.altKey) return;
    const directions: Record<string, Direction> = {
      ArrowLeft: "previous",
      ArrowRight: "next",
      [this.up ? "ArrowDown" : "ArrowUp"]: "parent",
      [this.up ? "ArrowUp" : "ArrowDown"]: "child",
    };
    const direction = directions[event.key];
    if (direction) {
      this.goTo(
        this.selected < 0 ? this.zoomed : neighbour(this.layout, this.model.parent, this.selected, direction),
      );
    } else if (event.key === "Enter" && this.selected >= 0) {
      this.events.onZoom(this.selected);
    } else if (event.key === "Backspace") {
      this.events.onZoom(this.model.parent[this.zoomed]);
    } else if (event.key === "Escape" || event.key === "Home") {
      this.events.onZoom(0);
    } else if (event.key === "n" || event.key === "N") {
      this.goToMatch(event.key === "n" ? 1 : -1);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private goToMatch(step: 1 | -1): void {
    const { matches } = this;
    const { order } = this.layout;
    if (!matches) return;
    const at = this.selected < 0 ? 0 : order.indexOf(this.selected);
    for (let k = 1; k <= order.length; ++k) {
      const node = order[(at + step * k + order.length * 2) % order.length];
      if (matches[node]) {
        this.goTo(node);
        return;
      }
    }
  }

  // Selects the node and brings it into sight.
  private goTo(node: number): void {
    const row = this.layout.row[node];
    const y = this.top(row);
    if (y < 0) this.scroller.scrollTop += y - ROW;
    else if (y + ROW > this.height) this.scroller.scrollTop += y + 2 * ROW - this.height;
    const [left, right] = this.extentOf(node);
    if (right <= this.left || left >= this.right) {
      const width = this.right - this.left;
      this.show(left - width / 4, width);
    }
    this.setSelected(node);
    this.events.onSelect(node);
  }
}
