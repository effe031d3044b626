// What changed from the baseline to the window, with what is more than chance marked.
import { useMemo, useState } from "preact/hooks";
import { diff, type DiffAnswer, type DiffRow, type ProfileType, type Selection } from "../api/collector";
import { differencePalette, DIFFERENCE_STEPS } from "../model/colours";
import {
  changeText,
  differenceFills,
  differenceWeights,
  shareOf,
  SIGNIFICANT,
  significanceText,
  type Sides,
} from "../model/difference";
import { formatPercent, formatPoints, formatRate, formatValue, shortName } from "../model/format";
import { search } from "../model/search";
import type { Context } from "./app";
import { FlamePanel } from "./flame_panel";
import { FunctionActions } from "./function_actions";
import { FlameBar, NothingThere, useMatches, useZoom } from "./profile_view";
import { QualityLine } from "./quality_line";
import { useDark } from "./theme";
import { useQuery } from "./use_query";

const FIRST_ROWS = 100;

export function DiffView(context: Context & { base: Selection }) {
  const { state, selection, base } = context;
  const [limit, setLimit] = useState(FIRST_ROWS);
  const { answer, stale, error, pending } = useQuery(
    "the comparison",
    JSON.stringify([base, selection, state.order, limit]),
    (signal) => diff(base, selection, state.order, limit, signal),
  );
  if (!answer)
    return error ? (
      <p class="message error">{error}</p>
    ) : (
      <p class="message dim">{pending && "Asking for the comparison …"}</p>
    );
  const empty = answer.quality.samples === 0 || answer.baseQuality.samples === 0;
  return (
    <>
      <div class="sides">
        <span>
          <i class="swatch base" /> baseline
        </span>
        <QualityLine quality={answer.baseQuality} type={answer.type} />
        <span>
          <i class="swatch window" /> window
        </span>
        <QualityLine quality={answer.quality} type={answer.type} />
      </div>
      {error && <p class="message error">{error}</p>}
      {empty &&
        (answer.quality.samples === 0 ? (
          <NothingThere {...context} />
        ) : (
          <p class="message">The baseline has no samples.</p>
        ))}
      {!empty && (
        <div class={`panels ${state.view === "sandwich" ? "both" : state.view}`}>
          {state.view !== "flame" && (
            <section class={stale ? "stale" : ""} aria-label="Changed functions">
              <DiffTable {...context} answer={answer} more={() => setLimit(limit * 10)} />
            </section>
          )}
          {state.view !== "top" && answer.graph.parent.length > 0 && (
            <section class={stale ? "stale" : ""} aria-label="Flame graph of the difference">
              <DiffFlame {...context} answer={answer} />
            </section>
          )}
        </div>
      )}
    </>
  );
}

function DiffTable(context: Context & { answer: DiffAnswer; more(): void }) {
  const { answer, state, update, more } = context;
  const { rows, quality, baseQuality, type, functions, significant } = answer;
  const matches = useMatches(context);
  const flat = state.order === "flat";
  const shown = useMemo(
    () =>
      rows.filter(
        (row) =>
          (flat ? row.baseFlatValue || row.flatValue : true) &&
          (!state.search || !matches || matches(row.function)),
      ),
    [rows, matches, state.search, flat],
  );
  const numbers = (row: DiffRow) => {
    const baseValue = flat ? row.baseFlatValue : row.baseCumulativeValue;
    const value = flat ? row.flatValue : row.cumulativeValue;
    return {
      baseShare: shareOf(baseValue, baseQuality.value),
      share: shareOf(value, quality.value),
      pValue: flat ? row.flatPValue : row.cumulativePValue,
      baseRate: rateText(baseValue, baseQuality, type),
      rate: rateText(value, quality, type),
    };
  };
  return (
    <div class="top">
      <div class="bar">
        <span class="group" role="group" aria-label="Shares">
          {(["flat", "cumulative"] as const).map((order) => (
            <button key={order} aria-pressed={state.order === order} onClick={() => update({ order }, true)}>
              {order === "flat" ? "Flat" : "Cumulative"}
            </button>
          ))}
        </span>
        <span>
          <b>{significant}</b> of {functions} functions changed by more than chance
        </span>
      </div>
      <table class="diff">
        <thead>
          <tr>
            <th class="n">Baseline</th>
            <th class="n">Window</th>
            <th class="n" title="Change of the share, in percentage points">
              Points
            </th>
            <th>Function</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => {
            const { baseShare, share, pValue, baseRate, rate } = numbers(row);
            const sure = pValue <= SIGNIFICANT;
            const selected = state.function === row.function;
            return (
              <tr
                key={row.function}
                class={`${selected ? "selected" : ""} ${sure ? (share > baseShare ? "grew" : "shrank") : "chance"}`}
              >
                <td class="n" title={baseRate}>
                  {formatPercent(baseShare)}
                </td>
                <td class="n" title={rate}>
                  {formatPercent(share)}
                </td>
                <td class="n change" title={significanceText(pValue)}>
                  {sure && <span aria-hidden="true">{share > baseShare ? "▲ " : "▼ "}</span>}
                  {formatPoints(share - baseShare)}
                </td>
                <td class="name">
                  <button
                    class="plain"
                    title={row.function}
                    aria-pressed={selected}
                    onClick={() => update({ function: selected ? undefined : row.function }, true)}
                  >
                    {selected ? row.function : shortName(row.function)}
                  </button>
                  {selected && <FunctionActions name={row.function} update={update} />}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows.length < functions && (
        <p class="dim">
          {functions - rows.length} more functions. <button onClick={more}>Show more</button>
        </p>
      )}
    </div>
  );
}

// The mean per time while there was an agent, where the value is a time.
function rateText(value: number, quality: DiffAnswer["quality"], type: ProfileType): string {
  const spanNs = (quality.last - quality.first) * 1e6;
  if (!type.rate || spanNs <= 0) return formatValue(value, type.unit);
  return `${formatRate((shareOf(value, quality.value) * quality.estimatedValue) / spanNs)} ${type.rate.unit}`;
}

function DiffFlame(context: Context & { answer: DiffAnswer }) {
  const { answer, state, update } = context;
  const { graph, quality, baseQuality, type } = answer;
  const matches = useMatches(context);
  const sides = useMemo<Sides>(
    () => ({
      base: graph.baseTotalValue,
      comparison: graph.totalValue,
      baseTotal: baseQuality.value,
      comparisonTotal: quality.value,
    }),
    [answer],
  );
  const model = useMemo(
    () => ({
      names: graph.names,
      parent: graph.parent,
      name: graph.name,
      weight: differenceWeights(sides),
      fills: differenceFills(sides, graph.pValue),
    }),
    [answer],
  );
  const found = useMemo(
    () => (matches ? search({ ...graph, totalCount: model.weight, selfCount: model.weight }, matches) : null),
    [graph, model, matches],
  );
  const [zoom, setZoom] = useZoom(graph, context);
  const describe = (node: number) => {
    const share = shareOf(graph.totalValue[node], quality.value);
    const baseShare = shareOf(graph.baseTotalValue[node], baseQuality.value);
    return [
      `${changeText(baseShare, share)}, ${significanceText(graph.pValue[node])}`,
      `${rateText(graph.baseTotalValue[node], baseQuality, type)} → ${rateText(graph.totalValue[node], quality, type)}`,
    ];
  };
  return (
    <>
      <FlameBar {...context} found={found && { ...found, count: 0 }} samples={0}>
        <DiffLegend />
      </FlameBar>
      <FlamePanel
        label="Flame graph of the difference; the table of changed functions has the same numbers"
        model={model}
        colours="difference"
        matches={found && found.nodes > 0 ? found.node : null}
        up={state.direction === "up"}
        zoom={zoom}
        describe={describe}
        onZoom={setZoom}
        update={update}
      />
    </>
  );
}

function DiffLegend() {
  const { fills } = differencePalette(useDark());
  const steps = Array.from({ length: DIFFERENCE_STEPS }, (_, i) => i + 1);
  const order = [...steps.map((step) => DIFFERENCE_STEPS + step).reverse(), 0, ...steps];
  return (
    <span class="legend dim">
      smaller share{" "}
      <svg width={order.length * 12} height="10" aria-hidden="true">
        {order.map((fill, i) => (
          <rect key={fill} x={i * 12} width="12" height="10" fill={fills[fill]} />
        ))}
      </svg>{" "}
      larger share; grey may be chance
    </span>
  );
}
