// Colours of frames: one hue for each family of functions, the same as in our SVG; within it a shade by
// name, so that a function looks the same in every picture.
import { Kind, type FlameGraph } from "./flame_graph";

const FAMILIES = [
  { name: "Go", hue: 172, saturation: 0.42 },
  { name: "Go runtime", hue: 215, saturation: 0.55 },
  { name: "native", hue: 32, saturation: 0.82 },
  { name: "kernel", hue: 350, saturation: 0.62 },
  { name: "unknown language", hue: 48, saturation: 0.72 },
  { name: "made by the profiler", hue: 240, saturation: 0.05 },
];
const SHADES = 6;
const GO_RUNTIME = /^(runtime\.|internal\/runtime\/|runtime\/internal\/)/;

function familyOf(kind: number, name: string): number {
  if (kind === Kind.Go) return GO_RUNTIME.test(name) ? 1 : 0;
  if (kind === Kind.Native) return 2;
  if (kind === Kind.Kernel) return 3;
  return kind === Kind.Synthetic ? 5 : 4;
}

function shadeOf(name: string): number {
  let hash = 2166136261;
  for (let i = 0; i < name.length; ++i) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  hash >>>= 0;
  return ((hash ^ (hash >>> 16)) >>> 0) % SHADES;
}

export interface Palette {
  fills: string[];
  text: string;
}

export function framePalette(dark: boolean): Palette {
  const fills: string[] = [];
  for (const { hue, saturation } of FAMILIES) {
    for (let shade = 0; shade < SHADES; ++shade) {
      const step = shade / (SHADES - 1);
      const lightness = dark ? 0.3 + 0.1 * step : 0.8 - 0.13 * step;
      fills.push(hsl(hue - 9 + 18 * step, saturation * (dark ? 0.75 : 1), lightness));
    }
  }
  return { fills, text: dark ? "#f2f2f0" : "#16181b" };
}

function hsl(hue: number, saturation: number, lightness: number): string {
  return `hsl(${Math.round((hue + 360) % 360)} ${Math.round(saturation * 100)}% ${Math.round(lightness * 100)}%)`;
}

// The index into the palette's fills of each node.
export function frameFills(graph: Pick<FlameGraph, "names" | "name" | "kind">): Uint8Array {
  const shades = graph.names.map(shadeOf);
  return Uint8Array.from(graph.name, (name, i) => {
    const kind = i === 0 && graph.kind[0] === Kind.Unknown ? Kind.Synthetic : graph.kind[i];
    return familyOf(kind, graph.names[name]) * SHADES + shades[name];
  });
}

// The families that occur, for the legend.
export function familiesOf(fills: Uint8Array): { name: string; fill: number }[] {
  const seen = new Set<number>();
  for (const fill of fills.subarray(1)) seen.add(Math.floor(fill / SHADES));
  return [...seen].sort().map((family) => ({ name: FAMILIES[family].name, fill: family * SHADES + 2 }));
}

// Of a difference: 0 is what may be chance, 1 to 5 grew, 6 to 10 shrank, the last the most.
export const DIFFERENCE_STEPS = 5;

export function differencePalette(dark: boolean): Palette {
  const fills = [dark ? "hsl(220 4% 27%)" : "hsl(220 6% 88%)"];
  for (const hue of [8, 212]) {
    for (let step = 1; step <= DIFFERENCE_STEPS; ++step) {
      const strength = step / DIFFERENCE_STEPS;
      fills.push(hsl(hue, 0.5 + 0.3 * strength, dark ? 0.28 + 0.16 * strength : 0.86 - 0.22 * strength));
    }
  }
  return { fills, text: dark ? "#f2f2f0" : "#16181b" };
}

// By the change of the share in relation to the larger of both: twice or half is step 3.
export function differenceFill(share: number, baseShare: number, significant: boolean): number {
  const larger = Math.max(share, baseShare);
  if (!significant || larger === 0 || share === baseShare) return 0;
  const step = Math.max(1, Math.ceil((Math.abs(share - baseShare) / larger) * DIFFERENCE_STEPS));
  return share > baseShare ? step : DIFFERENCE_STEPS + step;
}
