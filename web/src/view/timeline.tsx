// The use of what is selected over time; dragging chooses the window, or with Shift the baseline.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { series, type ProfileType, type SeriesAnswer } from "../api/collector";
import { formatRate, formatValue } from "../model/format";
import { ratesOf } from "../model/rate";
import { clockText, stepFor, timeText, type TimeWindow } from "../model/time_window";
import type { Context } from "./app";
import { styleValue, useDark } from "./theme";
import { useQuery, type Query } from "./use_query";

const HEIGHT = 108;
const POINTS = 240;

function perStepText(value: number, type: ProfileType): string {
  return type.rate ? formatRate(value) : formatValue(value, type.unit);
}

function columns(answer: SeriesAnswer, end: number): [number[], (number | null)[]] {
  const one = answer.series[0];
  if (!one) return [[], []];
  const { at, value } = ratesOf(
    one.start,
    one.estimated,
    answer.stepMs,
    end,
    answer.type.rate !== null,
  );
  return [at.map((time) => time / 1000), value];
}

interface Props extends Context {
  given?: Query<SeriesAnswer>; // the answer when there is one already, in place of a question
}

export function Timeline({ update, window, over, selection, base, given }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const dark = useDark();
  const [choosesBase, setChoosesBase] = useState(false);
  const toBase = base !== null && choosesBase;
  const { selector, type, focus, ignore } = selection;
  const step = stepFor(over, POINTS);
  const key = JSON.stringify([selector, type, focus, ignore, over]);
  const asked = useQuery("the timeline", given ? null : key, (signal) =>
    series({ ...selection, window: over }, step, [], signal),
  );
  const { answer, error, stale } = given ?? asked;

  // What the plot's own callbacks need of the newest state.
  const latest = useRef({ window, base, toBase, choose: (_: TimeWindow, __: boolean) => {} });
  latest.current = {
    window,
    base,
    toBase,
    choose: (chosen, asBase) => {
      const [from, to] = [timeText(chosen.from), timeText(chosen.to)];
      if (asBase) update({ base_from: from, base_to: to });
      else update({ from, to, over_from: timeText(over.from), over_to: timeText(over.to), zoom: undefined });
    },
  };

  useEffect(() => {
    const element = holder.current!;
    const data = answer ? columns(answer, over.to) : ([[], []] as [number[], number[]]);
    let withShift = false;
    const note = (event: MouseEvent) => (withShift = event.shiftKey);
    const text = styleValue("--dim");
    const grid = { stroke: styleValue("--line"), width: 1 };
    const font = "11px system-ui, sans-serif";
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: HEIGHT,
      padding: [6, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false, dist: 4 }, points: { size: 5 } },
      scales: {
        x: { min: over.from / 1000, max: over.to / 1000 },
        y: { range: (_, __, max) => [0, (max || 1) * 1.08] },
      },
      axes: [
        {
          stroke: text,
          grid,
          ticks: grid,
          font,
          size: 26,
          gap: 2,
          space: 70,
          values: (_, times) => axisTexts(times),
        },
        {
          stroke: text,
          grid,
          ticks: grid,
          font,
          size: 58,
          space: 26,
          values: (_, values) => values.map((v) => (answer ? perStepText(v, answer.type) : "")),
        },
      ],
      series: [
        {},
        {
          stroke: styleValue("--accent"),
          width: 1.5,
          fill: styleValue("--accent-fill"),
          points: { show: data[0].length < 3 },
        },
      ],
      hooks: {
        drawClear: [(u) => shade(u, latest.current.window, latest.current.base?.window ?? null)],
        setSelect: [
          (u) => {
            if (u.select.width < 3) return;
            const from = u.posToVal(u.select.left, "x") * 1000;
            const to = u.posToVal(u.select.left + u.select.width, "x") * 1000;
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            latest.current.choose({ from, to }, withShift || latest.current.toBase);
          },
        ],
        setCursor: [
          (u) => {
            const at = u.cursor.idx;
            const value = at == null ? null : u.data[1][at];
            reading.current!.textContent =
              at == null || value == null || !answer
                ? ""
                : `${clockText(u.data[0][at] * 1000, Date.now())}: ${perStepText(value, answer.type)} ${answer.type.rate?.unit ?? ""}`;
          },
        ],
      },
    };
    plot.current = new uPlot(options, data as uPlot.AlignedData, element);
    element.addEventListener("mousedown", note, true);
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      element.removeEventListener("mousedown", note, true);
      plot.current?.destroy();
    };
  }, [answer, dark, over.from, over.to]);

  useEffect(() => plot.current?.redraw(false), [window.from, window.to, base?.window.from, base?.window.to]);

  const reading = useRef<HTMLSpanElement>(null);
  const narrowed = window.from !== over.from || window.to !== over.to;
  return (
    <section class={`timeline${stale ? " stale" : ""}`} aria-label="Timeline">
      <div class="bar">
        <span class="dim">{answer && (answer.type.rate?.heading ?? answer.type.name.split(":")[1])}</span>
        <span ref={reading} class="code" />
        <span class="space" />
        {base && (
          <span class="group" role="group" aria-label="Dragging chooses">
            <button aria-pressed={!choosesBase} onClick={() => setChoosesBase(false)}>
              <i class="swatch window" /> window
            </button>
            <button aria-pressed={choosesBase} onClick={() => setChoosesBase(true)}>
              <i class="swatch base" /> baseline
            </button>
          </span>
        )}
        {narrowed ? (
          <>
            <button onClick={() => update({ over_from: undefined, over_to: undefined })}>Zoom in</button>
            <button
              onClick={() =>
                update({
                  from: timeText(over.from),
                  to: timeText(over.to),
                  over_from: undefined,
                  over_to: undefined,
                })
              }
            >
              Whole span
            </button>
          </>
        ) : (
          <span class="dim">Drag to choose a window</span>
        )}
      </div>
      <div ref={holder} class="plot" />
      {error && <p class="message error">{error}</p>}
      {answer && answer.series.length === 0 && <p class="message over">Nothing was profiled in this span.</p>}
    </section>
  );
}

// "12:00"; the first of a day has the day, too.
function axisTexts(times: number[]): string[] {
  const day = (time: number) => clockText(time * 1000).slice(5, 10);
  return times.map((time, i) => {
    const clock = clockText(time * 1000, time * 1000);
    return clock === "00:00" || (i > 0 && day(times[i - 1]) !== day(time))
      ? `${day(time)}${clock === "00:00" ? "" : ` ${clock}`}`
      : clock;
  });
}

function shade(u: uPlot, window: TimeWindow, base: TimeWindow | null): void {
  const draw = ({ from, to }: TimeWindow, colour: string) => {
    const x = Math.max(u.bbox.left, u.valToPos(from / 1000, "x", true));
    const x1 = Math.min(u.bbox.left + u.bbox.width, u.valToPos(to / 1000, "x", true));
    if (x1 <= x) return;
    u.ctx.fillStyle = colour;
    u.ctx.fillRect(x, u.bbox.top, x1 - x, u.bbox.height);
  };
  const min = (u.scales.x.min ?? 0) * 1000;
  const max = (u.scales.x.max ?? 0) * 1000;
  if (window.from > min || window.to < max) draw(window, styleValue("--window"));
  if (base) draw(base, styleValue("--baseline"));
}
