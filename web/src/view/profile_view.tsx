// A selection's profile: the table first, then the flame graph; or callers and callees of a function; or what
// changed from a baseline.
import { useMemo, useState } from "preact/hooks";
import { flameGraph, top, type FlameGraphAnswer, type Quality } from "../api/collector";
import { familiesOf, framePalette, frameFills } from "../model/colours";
import { stackHashes, type FlameGraph } from "../model/flame_graph";
import { formatInterval, formatPercent, formatValue } from "../model/format";
import { sandwich } from "../model/sandwich";
import { compile, search, type Found } from "../model/search";
import { wilson } from "../model/statistics";
import type { Context } from "./app";
import { DiffView } from "./diff_view";
import { FlamePanel } from "./flame_panel";
import { FunctionActions } from "./function_actions";
import { QualityLine } from "./quality_line";
import { useDark } from "./theme";
import { TopTable } from "./top_table";
import { useQuery } from "./use_query";

const FIRST_ROWS = 100;

// What is highlighted: the search, else the chosen function.
export function useMatches(context: Context): ((name: string) => boolean) | null {
  const { search: pattern, function: chosen } = context.state;
  return useMemo(() => {
    const expression = pattern ? compile(pattern).expression : undefined;
    if (expression) return (name) => expression.test(name);
    return chosen ? (name) => name === chosen : null;
  }, [pattern, chosen]);
}

export function ProfileView(context: Context) {
  return context.base ? <DiffView {...context} base={context.base} /> : <OneProfile {...context} />;
}

function OneProfile(context: Context) {
  const { state, update, selection } = context;
  const [limit, setLimit] = useState(FIRST_ROWS);
  const key = JSON.stringify(selection);
  const wantsTop = state.view === "both" || state.view === "top";
  const wantsFlame = state.view !== "top";
  const table = useQuery("the table", wantsTop ? `${key} ${state.order} ${limit}` : null, (signal) =>
    top(selection, state.order, limit, signal),
  );
  const flame = useQuery("the flame graph", wantsFlame ? key : null, (signal) =>
    flameGraph(selection, signal),
  );
  const matches = useMatches(context);
  const searched = state.search ? matches : null;
  const shown = wantsTop ? (table.answer ?? flame.answer) : flame.answer;
  const error = table.error ?? flame.error;
  return (
    <>
      {shown && <QualityLine quality={shown.quality} type={shown.type} />}
      {error && <p class="message error">{error}</p>}
      {shown && shown.quality.samples === 0 ? (
        <NothingThere {...context} />
      ) : (
        <div class={`panels ${state.view}`}>
          {wantsTop && (
            <section class={table.stale ? "stale" : ""} aria-label="Top functions">
              {table.answer ? (
                <TopTable
                  answer={table.answer}
                  state={state}
                  update={update}
                  matches={searched}
                  more={() => setLimit(limit * 10)}
                />
              ) : (
                table.pending && <p class="message dim">Asking for the table …</p>
              )}
            </section>
          )}
          {wantsFlame && (
            <section
              class={flame.stale ? "stale" : ""}
              aria-label={state.view === "sandwich" ? "Callers and callees" : "Flame graph"}
            >
              {flame.answer && flame.answer.graph.parent.length > 0 ? (
                state.view === "sandwich" ? (
                  <SandwichView {...context} answer={flame.answer} matches={searched} />
                ) : (
                  <OneFlame {...context} answer={flame.answer} matches={matches} />
                )
              ) : (
                flame.pending && <p class="message dim">Asking for the flame graph …</p>
              )}
            </section>
          )}
        </div>
      )}
    </>
  );
}

export function NothingThere({ state, update }: Context) {
  return (
    <p class="message">
      No samples of <code>{state.selector || "{}"}</code> in this window
      {(state.focus || state.ignore) && " after focus and ignore"}.{" "}
      {(state.focus || state.ignore) && (
        <button onClick={() => update({ focus: undefined, ignore: undefined })}>
          Without focus and ignore
        </button>
      )}{" "}
      <button
        onClick={() => update({ from: "now-24h", to: "now", over_from: undefined, over_to: undefined })}
      >
        The last 24 hours
      </button>{" "}
      <button onClick={() => update({ selector: undefined })}>All services</button>
    </p>
  );
}

function useGraphModel(graph: FlameGraph) {
  return useMemo(
    () => ({
      names: graph.names,
      parent: graph.parent,
      name: graph.name,
      weight: graph.totalValue,
      fills: frameFills(graph),
    }),
    [graph],
  );
}

function describer(graph: FlameGraph, quality: Quality, unit: string) {
  const line = (what: string, count: number, value: number) =>
    `${what} ${formatValue(value, unit)}, ${formatPercent(count / Math.max(1, quality.samples))} (95 %: ${formatInterval(wilson(count, quality.samples))})`;
  return (node: number) => [
    line("total", graph.totalCount[node], graph.totalValue[node]),
    line("self", graph.selfCount[node], graph.selfValue[node]),
  ];
}

interface FlameProps extends Context {
  answer: FlameGraphAnswer;
  matches: ((name: string) => boolean) | null;
}

export function useZoom(graph: Pick<FlameGraph, "names" | "name" | "parent">, { state, update }: Context) {
  const hashes = useMemo(() => stackHashes(graph), [graph]);
  const wanted = state.zoom === undefined ? 0 : parseInt(state.zoom, 16);
  const zoom = useMemo(() => (wanted ? Math.max(0, hashes.indexOf(wanted)) : 0), [hashes, wanted]);
  const setZoom = (node: number) => update({ zoom: node > 0 ? hashes[node].toString(16) : undefined });
  return [zoom, setZoom] as const;
}

function OneFlame(props: FlameProps) {
  const { answer, matches, state, update } = props;
  const { graph, quality, type } = answer;
  const model = useGraphModel(graph);
  const found = useMemo(() => (matches ? search(graph, matches) : null), [graph, matches]);
  const [zoom, setZoom] = useZoom(graph, props);
  return (
    <>
      <FlameBar {...props} found={found} samples={quality.samples}>
        <Legend fills={model.fills} />
      </FlameBar>
      <FlamePanel
        label={`Flame graph of ${formatValue(quality.value, type.unit)}; the table of top functions has the same numbers`}
        model={model}
        colours="frames"
        matches={found && found.nodes > 0 ? found.node : null}
        up={state.direction === "up"}
        zoom={zoom}
        describe={describer(graph, quality, type.unit)}
        onZoom={setZoom}
        update={update}
      />
    </>
  );
}

interface BarProps extends Context {
  found: Found | null;
  samples: number;
  children?: preact.ComponentChildren;
}

export function FlameBar({ state, update, found, samples, children }: BarProps) {
  return (
    <div class="bar">
      <span class="group" role="group" aria-label="Direction">
        <button aria-pressed={state.direction === "down"} onClick={() => update({ direction: "down" }, true)}>
          Icicle
        </button>
        <button aria-pressed={state.direction === "up"} onClick={() => update({ direction: "up" }, true)}>
          Flame
        </button>
      </span>
      <span id="found" role="status">
        {found &&
          (found.nodes === 0
            ? "no match"
            : `${found.nodes} ${found.nodes === 1 ? "frame matches" : "frames match"}: ${formatPercent(found.count / Math.max(1, samples))} (95 %: ${formatInterval(wilson(found.count, samples))})`)}
      </span>
      <span class="space" />
      {children}
    </div>
  );
}

function Legend({ fills }: { fills: Uint8Array }) {
  const dark = useDark();
  const families = useMemo(() => familiesOf(fills), [fills]);
  const palette = framePalette(dark);
  return (
    <span class="legend dim">
      {families.map(({ name, fill }) => (
        <span key={name}>
          <svg width="10" height="10" aria-hidden="true">
            <rect width="10" height="10" fill={palette.fills[fill]} />
          </svg>{" "}
          {name}
        </span>
      ))}
    </span>
  );
}

function SandwichView({ answer, state, update, matches }: FlameProps) {
  const { graph, quality, type } = answer;
  const name = state.function;
  const both = useMemo(
    () => (name && graph.names.includes(name) ? sandwich(graph, name) : null),
    [graph, name],
  );
  return (
    <>
      <div class="bar">
        <FunctionPicker
          names={graph.names}
          value={name}
          onChange={(picked) => update({ function: picked })}
        />
        {name && <FunctionActions name={name} update={update} inSandwich />}
      </div>
      {!name && <p class="message dim">Choose a function, here or in the table of top functions.</p>}
      {name && !both && (
        <p class="message">
          <code>{name}</code> is in no stack of this window, or too small to be in its flame graph.
        </p>
      )}
      {both &&
        (["callers", "callees"] as const).map((side) => (
          <Side
            key={side}
            side={side}
            graph={both[side]}
            quality={quality}
            unit={type.unit}
            matches={matches}
            update={update}
          />
        ))}
    </>
  );
}

function FunctionPicker({
  names,
  value,
  onChange,
}: {
  names: string[];
  value?: string;
  onChange(name: string): void;
}) {
  return (
    <label>
      Function{" "}
      <input
        id="function"
        class="wide code"
        list="functions"
        defaultValue={value ?? ""}
        key={value}
        spellcheck={false}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      <datalist id="functions">
        {names.slice(1).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}

interface SideProps {
  side: "callers" | "callees";
  graph: FlameGraph;
  quality: Quality;
  unit: string;
  matches: ((name: string) => boolean) | null;
  update: Context["update"];
}

function Side({ side, graph, quality, unit, matches, update }: SideProps) {
  const model = useGraphModel(graph);
  const found = useMemo(() => (matches ? search(graph, matches) : null), [graph, matches]);
  const [zoom, setZoom] = useState(0);
  return (
    <div class={`side ${side}`}>
      <h2>{side === "callers" ? "Callers" : "Callees"}</h2>
      <FlamePanel
        label={side === "callers" ? "Callers" : "Callees"}
        model={model}
        colours="frames"
        hint={side === "callees"}
        matches={found && found.nodes > 0 ? found.node : null}
        up={side === "callers"}
        zoom={zoom < graph.parent.length ? zoom : 0}
        describe={describer(graph, quality, unit)}
        onZoom={setZoom}
        update={update}
      />
    </div>
  );
}
