// The collector's questions and answers as the page uses them. Numbers of 64 bits are strings in the JSON of
// protobuf, and fields that are 0 or empty are left out: both end here.
import type { FlameGraph } from "../model/flame_graph";
import { rateUnitOf, type RateUnit } from "../model/rate";
import type { Interval } from "../model/statistics";
import type { TimeWindow } from "../model/time_window";
import { call } from "./connect";

export interface Selection {
  selector: string;
  window: TimeWindow;
  type?: string;
  focus?: string;
  ignore?: string;
}

export interface ProfileType {
  name: string; // "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
  unit: string;
  rate: RateUnit | null; // of its values over time
}

export interface Quality {
  windows: number;
  watchedNs: number;
  samples: number;
  value: number;
  estimatedValue: number;
  lostSamples: number;
  truncatedStacks: number;
  frames: number;
  unnamedFrames: number;
  first: number; // Unix milliseconds, 0 when there is nothing
  last: number;
}

export interface FlameGraphAnswer {
  graph: FlameGraph;
  quality: Quality;
  type: ProfileType;
}

export interface TopRow {
  function: string;
  file: string;
  flatCount: number;
  flatValue: number;
  cumulativeCount: number;
  cumulativeValue: number;
  flatShare: Interval;
  cumulativeShare: Interval;
}

export interface TopAnswer {
  rows: TopRow[];
  functions: number; // there are, before the limit
  quality: Quality;
  type: ProfileType;
}

// Columns of the same length.
export interface TimeSeries {
  labels: Record<string, string>;
  start: Float64Array; // Unix milliseconds
  samples: Float64Array;
  estimated: Float64Array; // in the type's sample unit
}

export interface SeriesAnswer {
  series: TimeSeries[];
  stepMs: number;
  type: ProfileType;
}

type Json = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any

const number = (value: unknown): number => Number(value ?? 0);
const nanoseconds = (ms: number): string => (BigInt(Math.round(ms)) * 1_000_000n).toString();
const milliseconds = (ns: unknown): number => Number(ns ?? 0) / 1e6;
const floats = (column: unknown[] | undefined, length: number): Float64Array =>
  Float64Array.from({ length }, (_, i) => Number(column?.[i] ?? 0));

function selectionJson(selection: Selection): Json {
  return {
    selector: selection.selector,
    profileType: selection.type ?? "",
    startUnixNs: nanoseconds(selection.window.from),
    endUnixNs: nanoseconds(selection.window.to),
    focus: selection.focus ?? "",
    ignore: selection.ignore ?? "",
  };
}

function readType(json: Json = {}): ProfileType {
  const parts = ["name", "sampleType", "sampleUnit", "periodType", "periodUnit"].map(
    (part) => json[part] ?? "",
  );
  const unit = json.sampleUnit ?? "";
  return { name: parts.join(":"), unit, rate: rateUnitOf(json.sampleType ?? "", unit) };
}

function readQuality(json: Json = {}): Quality {
  const loss: Json = json.loss ?? {};
  return {
    windows: number(json.windows),
    watchedNs: number(json.watchedNs),
    samples: number(json.samples),
    value: number(json.value),
    estimatedValue: number(json.estimatedValue),
    lostSamples: number(loss.lostSamples),
    truncatedStacks: number(loss.truncatedStacks),
    frames: number(loss.frames),
    unnamedFrames: number(loss.unsymbolizedFrames),
    first: milliseconds(json.firstStartUnixNs),
    last: milliseconds(json.lastEndUnixNs),
  };
}

function readTree(json: Json): Pick<FlameGraph, "names" | "parent" | "name" | "kind"> {
  return {
    names: json.names ?? ["total"],
    parent: Uint32Array.from(json.parent ?? []),
    name: Uint32Array.from(json.name ?? []),
    kind: Uint8Array.from(json.kind ?? []),
  };
}

function readGraph(json: Json): FlameGraph {
  const n = json.parent?.length ?? 0;
  return {
    ...readTree(json),
    selfCount: floats(json.selfCount, n),
    selfValue: floats(json.selfValue, n),
    totalCount: floats(json.totalCount, n),
    totalValue: floats(json.totalValue, n),
  };
}

// More than this nobody can see; what is smaller is folded into "other".
const MOST_NODES = 50_000;

export async function flameGraph(selection: Selection, signal: AbortSignal): Promise<FlameGraphAnswer> {
  const json = await call<Json>(
    "FlameGraph",
    { selection: selectionJson(selection), maxNodes: MOST_NODES },
    signal,
  );
  return { graph: readGraph(json), quality: readQuality(json.quality), type: readType(json.type) };
}

const readInterval = (json: Json = {}): Interval => ({
  lower: number(json.lower),
  upper: number(json.upper),
});

export async function top(
  selection: Selection,
  order: "flat" | "cumulative",
  limit: number,
  signal: AbortSignal,
): Promise<TopAnswer> {
  const request = { selection: selectionJson(selection), limit, order: `ORDER_${order.toUpperCase()}` };
  const json = await call<Json>("Top", request, signal);
  return {
    rows: (json.rows ?? []).map((row: Json) => ({
      function: row.function ?? "[unknown]",
      file: row.file ?? "",
      flatCount: number(row.flatCount),
      flatValue: number(row.flatValue),
      cumulativeCount: number(row.cumulativeCount),
      cumulativeValue: number(row.cumulativeValue),
      flatShare: readInterval(row.flatShare),
      cumulativeShare: readInterval(row.cumulativeShare),
    })),
    functions: number(json.functions),
    quality: readQuality(json.quality),
    type: readType(json.type),
  };
}

export interface DiffRow {
  function: string;
  file: string;
  baseFlatValue: number;
  baseCumulativeValue: number;
  flatValue: number;
  cumulativeValue: number;
  flatPValue: number; // corrected for the number of functions
  cumulativePValue: number;
}

export interface DiffAnswer {
  rows: DiffRow[];
  functions: number;
  significant: number; // in the order that was asked for
  graph: Omit<FlameGraph, "totalCount" | "selfCount"> & {
    baseSelfValue: Float64Array;
    baseTotalValue: Float64Array;
    pValue: Float64Array;
  };
  baseQuality: Quality;
  quality: Quality;
  type: ProfileType;
}

export async function diff(
  base: Selection,
  comparison: Selection,
  order: "flat" | "cumulative",
  limit: number,
  signal: AbortSignal,
): Promise<DiffAnswer> {
  const request = {
    base: selectionJson(base),
    comparison: selectionJson(comparison),
    limit,
    order: `ORDER_${order.toUpperCase()}`,
    maxNodes: MOST_NODES,
  };
  const json = await call<Json>("Diff", request, signal);
  const table: Json = json.table ?? {};
  const graph: Json = json.graph ?? {};
  const n = graph.parent?.length ?? 0;
  const functions: string[] = table.function ?? [];
  return {
    rows: functions.map((name, i) => ({
      function: name || "[unknown]",
      file: table.file?.[i] ?? "",
      baseFlatValue: number(table.baseFlatValue?.[i]),
      baseCumulativeValue: number(table.baseCumulativeValue?.[i]),
      flatValue: number(table.comparisonFlatValue?.[i]),
      cumulativeValue: number(table.comparisonCumulativeValue?.[i]),
      flatPValue: number(table.flatPValue?.[i]),
      cumulativePValue: number(table.cumulativePValue?.[i]),
    })),
    functions: number(table.functions),
    significant: number(order === "flat" ? table.significantFlat : table.significantCumulative),
    graph: {
      ...readTree(graph),
      selfValue: floats(graph.comparisonSelfValue, n),
      totalValue: floats(graph.comparisonTotalValue, n),
      baseSelfValue: floats(graph.baseSelfValue, n),
      baseTotalValue: floats(graph.baseTotalValue, n),
      pValue: floats(graph.totalPValue, n),
    },
    baseQuality: readQuality(json.baseQuality),
    quality: readQuality(json.comparisonQuality),
    type: readType(json.type),
  };
}

export async function series(
  selection: Selection,
  stepMs: number,
  groupBy: string[],
  signal: AbortSignal,
): Promise<SeriesAnswer> {
  const request = { selection: selectionJson(selection), stepNs: nanoseconds(stepMs), groupBy };
  const json = await call<Json>("Series", request, signal);
  const step = milliseconds(json.stepNs);
  return {
    series: (json.series ?? []).map((one: Json) => readSeries(one, milliseconds(json.startUnixNs), step)),
    stepMs: step,
    type: readType(json.type),
  };
}

// All series as one.
export function summed(answer: SeriesAnswer): SeriesAnswer {
  const steps = new Map<number, [samples: number, estimated: number]>();
  for (const one of answer.series) {
    one.start.forEach((start, i) => {
      const [samples, estimated] = steps.get(start) ?? [0, 0];
      steps.set(start, [samples + one.samples[i], estimated + one.estimated[i]]);
    });
  }
  const start = Float64Array.from(steps.keys()).sort();
  const column = (k: 0 | 1) => Float64Array.from(start, (at) => steps.get(at)![k]);
  const series = steps.size > 0 ? [{ labels: {}, start, samples: column(0), estimated: column(1) }] : [];
  return { ...answer, series };
}

function readSeries(json: Json, startMs: number, stepMs: number): TimeSeries {
  const steps: number[] = json.step ?? [];
  return {
    labels: Object.fromEntries(
      (json.labels ?? []).map((label: Json) => [label.name ?? "", label.value ?? ""]),
    ),
    start: Float64Array.from(steps, (step) => startMs + step * stepMs),
    samples: floats(json.samples, steps.length),
    estimated: floats(json.estimatedValue, steps.length),
  };
}

const spanJson = (window: TimeWindow): Json => ({
  startUnixNs: nanoseconds(window.from),
  endUnixNs: nanoseconds(window.to),
});

export async function labelNames(
  selector: string,
  window: TimeWindow,
  signal: AbortSignal,
): Promise<string[]> {
  return (await call<Json>("LabelNames", { selector, ...spanJson(window) }, signal)).names ?? [];
}

export async function labelValues(
  name: string,
  selector: string,
  window: TimeWindow,
  signal: AbortSignal,
): Promise<string[]> {
  return (await call<Json>("LabelValues", { name, selector, ...spanJson(window) }, signal)).values ?? [];
}

export async function profileTypes(window: TimeWindow, signal: AbortSignal): Promise<ProfileType[]> {
  const json = await call<Json>("ProfileTypes", spanJson(window), signal);
  return (json.types ?? []).map(readType);
}
