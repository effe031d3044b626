// The list of services: how much CPU each takes, and how much of it goes to the Go scheduler and the GC.
import { useMemo, useState } from "preact/hooks";
import { series, summed, type SeriesAnswer, type TimeSeries } from "../api/collector";
import { formatCount, formatInterval, formatPercent, formatRate, formatValue } from "../model/format";
import { ratesOf } from "../model/rate";
import { ofService } from "../model/selector";
import { wilson } from "../model/statistics";
import { stepFor, type TimeWindow } from "../model/time_window";
import { addressOf, type Context } from "./app";
import { Link } from "./link";
import { Timeline } from "./timeline";
import { useQuery, type Query } from "./use_query";

const SERVICE = "service_name";
const SPARK_POINTS = 60;
const MCALL = "^runtime\\.mcall$";
// The functions of the class gc of pilotlight_go_gc_cpu_ratio (agent/insight/go_classes.cc).
const GC =
  "^(runtime\\.(gcBgMarkWorker|gcDrain|gcAssistAlloc|gcParkAssist$|gcStart|gcMarkDone|gcMarkTermination|markroot|" +
  "scanobject$|scanObject|scanSpan|scanblock$|scanstack$|greyobject$|wbBufFlush|gcWriteBarrier|bulkBarrierPreWrite|" +
  "bgsweep|sweepone|deductSweepCredit$|bgscavenge|_GC$|\\(\\*sweepLocked\\)\\.sweep|\\(\\*mheap\\)\\.reclaim|" +
  "\\(\\*scavengerState\\)\\.|\\(\\*pageAlloc\\)\\.scavenge)|gcWriteBarrier$)";

interface Row {
  name: string;
  series: TimeSeries;
  samples: number;
  estimated: number;
  mcall?: number; // samples; not set: not known yet
  gc?: number;
}

type Column = "service" | "use" | "mcall" | "gc" | "samples";

const sum = (column: Float64Array) => column.reduce((a, b) => a + b, 0);

function samplesByService(answer: SeriesAnswer | undefined): Map<string, number> | undefined {
  return answer && new Map(answer.series.map((one) => [one.labels[SERVICE] ?? "", sum(one.samples)]));
}

export function Services(context: Context) {
  const { window, over, selection } = context;
  const key = JSON.stringify([selection.type, selection.focus, selection.ignore, window]);
  const all = useQuery("the services", key, (signal) =>
    series(selection, stepFor(window, SPARK_POINTS), [SERVICE], signal),
  );
  const total = useMemo(() => all.answer && summed(all.answer), [all.answer]);
  const isWhole = window.from === over.from && window.to === over.to;
  return (
    <>
      <Timeline {...context} given={isWhole ? { ...all, answer: total } : undefined} />
      <List {...context} all={all} question={key} />
    </>
  );
}

interface Props extends Context {
  all: Query<SeriesAnswer>;
  question: string; // the key of `all`
}

function List({ state, update, window, selection, all, question }: Props) {
  const [filter, setFilter] = useState("");
  const span = window.to - window.from;
  const rate = all.answer?.type.rate;
  const isCpu = rate?.unit === "cores";
  // Two more passes over the stacks: after the first one, and in one step each.
  const shareKey = all.answer && isCpu && selection.focus === undefined ? question : null;
  const share = (what: string, focus: string) =>
    useQuery(what, shareKey, (signal) => series({ ...selection, focus }, span, [SERVICE], signal));
  const mcall = share("the mcall shares", MCALL);
  const gc = share("the GC shares", GC);

  const rows = useMemo<Row[]>(() => {
    const mcallSamples = samplesByService(mcall.answer);
    const gcSamples = samplesByService(gc.answer);
    return (all.answer?.series ?? []).map((one) => {
      const name = one.labels[SERVICE] ?? "";
      return {
        name,
        series: one,
        samples: sum(one.samples),
        estimated: sum(one.estimated),
        mcall: mcallSamples && (mcallSamples.get(name) ?? 0),
        gc: gcSamples && (gcSamples.get(name) ?? 0),
      };
    });
  }, [all.answer, mcall.answer, gc.answer]);

  const order = (state.sort ?? "use") as Column;
  const shown = useMemo(() => {
    const value: Record<Exclude<Column, "service">, (row: Row) => number> = {
      use: (row) => row.estimated,
      samples: (row) => row.samples,
      // By what it is at least, so that three samples do not lead the list.
      mcall: (row) => wilson(row.mcall ?? 0, row.samples).lower,
      gc: (row) => wilson(row.gc ?? 0, row.samples).lower,
    };
    const by = order === "service" ? undefined : (value[order] ?? value.use);
    const wanted = filter.toLowerCase();
    return rows
      .filter((row) => row.name.toLowerCase().includes(wanted))
      .sort((a, b) => (by ? by(b) - by(a) : 0) || a.name.localeCompare(b.name));
  }, [rows, order, filter]);

  if (all.error && !all.answer) return <p class="message error">{all.error}</p>;
  if (!all.answer) return <p class="message dim">Asking for the services …</p>;
  if (rows.length === 0) {
    return (
      <p class="message">
        No profiles in this span. Start an agent on each node:{" "}
        <code>pilotlight-agent --collector.address=HOST:7171</code>; the first profiles come within a minute.
      </p>
    );
  }
  const total = rows.reduce((a, row) => a + row.estimated, 0);
  const largest = Math.max(...rows.map((row) => row.estimated));
  const use = (estimated: number) =>
    rate ? formatRate(estimated / (span * 1e6)) : formatValue(estimated, all.answer!.type.unit);
  const head = (column: Column, text: string, title: string) => (
    <th
      class={column === "service" ? "" : "n"}
      aria-sort={order === column ? (column === "service" ? "ascending" : "descending") : "none"}
    >
      <button title={title} onClick={() => update({ sort: column === "use" ? undefined : column }, true)}>
        {text}
      </button>
    </th>
  );
  return (
    <section class={all.stale ? "stale" : ""} aria-label="Services">
      <div class="bar">
        <input
          type="search"
          aria-label="Find a service"
          placeholder="Find a service"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        <span class="dim">
          {shown.length === rows.length ? rows.length : `${shown.length} of ${rows.length}`} services ·{" "}
          {use(total)}
          {rate && ` ${rate.unit}`}, estimated from the samples
        </span>
        <span class="space" />
        <Link href={addressOf(state, { selector: "{}", sort: undefined })} update={update}>
          Flame graph of everything
        </Link>
      </div>
      {all.error && <p class="message error">{all.error}</p>}
      <table class="services">
        <thead>
          <tr>
            {head("service", "Service", "By name")}
            <th>Over time</th>
            {head("use", rate?.heading ?? "Value", "Mean over the window, estimated")}
            <th class="barcell" aria-label="Share of all" />
            {isCpu &&
              head(
                "mcall",
                "mcall",
                "Share of samples below runtime.mcall: the Go scheduler's work when goroutines block. Ordered by what it is at least",
              )}
            {isCpu &&
              head("gc", "GC", "Share of samples in Go's garbage collection. Ordered by what it is at least")}
            {head("samples", "Samples", "What the numbers rest on")}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={row.name}>
              <td class="name">
                <Link
                  href={addressOf(state, { selector: ofService(row.name), sort: undefined })}
                  update={update}
                >
                  {row.name || "(no name)"}
                </Link>
              </td>
              <td class="spark">
                <Sparkline series={row.series} stepMs={all.answer!.stepMs} {...window} />
              </td>
              <td class="n">{use(row.estimated)}</td>
              <td class="barcell" title={`${formatPercent(row.estimated / total)} of all`}>
                <Bar share={row.estimated / largest} />
              </td>
              {isCpu && <ShareCell hits={row.mcall} samples={row.samples} pending={mcall.pending} />}
              {isCpu && <ShareCell hits={row.gc} samples={row.samples} pending={gc.pending} />}
              <td class="n dim">{formatCount(row.samples)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

// Widths by SVG attributes: the content security policy forbids style attributes.
export function Bar({ share, kind }: { share: number; kind?: string }) {
  return (
    <svg class={`meter ${kind ?? ""}`} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      <rect width={Math.max(0.5, Math.min(100, share * 100))} height="1" />
    </svg>
  );
}

// From a tenth on, at least, it is worth a look: the threshold of the alerts.
const NOTABLE = 0.1;

function ShareCell({ hits, samples, pending }: { hits?: number; samples: number; pending: boolean }) {
  if (hits === undefined) return <td class="n dim">{pending ? "…" : ""}</td>;
  const interval = wilson(hits, samples);
  return (
    <td
      class={`n${interval.lower >= NOTABLE ? " notable" : ""}${hits === 0 ? " dim" : ""}`}
      title={`95 %: ${formatInterval(interval)}`}
    >
      {formatPercent(samples > 0 ? hits / samples : 0)}
    </td>
  );
}

function Sparkline({ series: one, stepMs, from, to }: { series: TimeSeries; stepMs: number } & TimeWindow) {
  const [width, height] = [140, 20];
  const { at, value } = ratesOf(one.start, one.estimated, stepMs, to, true);
  const most = Math.max(...value.map((v) => v ?? 0)) || 1;
  const path = value.map((v, i) => {
    if (v === null) return "";
    const x = ((at[i] - from) / (to - from)) * width;
    const y = height - 1 - (v / most) * (height - 2);
    return `${i === 0 || value[i - 1] === null ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      aria-hidden="true"
    >
      <path d={path.join("")} />
    </svg>
  );
}
