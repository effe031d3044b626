// What costs most, as a table: also for those who cannot use the canvas.
import { useMemo } from "preact/hooks";
import type { TopAnswer, TopRow } from "../api/collector";
import { formatInterval, formatPercent, formatValue, shortName } from "../model/format";
import type { State } from "../model/url_state";
import type { Update } from "./app";
import { FunctionActions } from "./function_actions";
import { Bar } from "./services";

interface Props {
  answer: TopAnswer;
  state: State;
  update: Update;
  matches: ((name: string) => boolean) | null; // of the search
  more(): void;
}

export function TopTable({ answer, state, update, matches, more }: Props) {
  const { rows, quality, type } = answer;
  const shown = useMemo(
    () => (matches ? rows.filter((row) => matches(row.function)) : rows),
    [rows, matches],
  );
  const head = (order: State["order"], text: string, title: string) => (
    <th class="n" colSpan={2} aria-sort={state.order === order ? "descending" : "none"}>
      <button title={title} onClick={() => update({ order }, true)}>
        {text}
      </button>
    </th>
  );
  const cells = (value: number, count: number, row: TopRow, share: "flatShare" | "cumulativeShare") => (
    <>
      <td class="n">{formatValue(value, type.unit)}</td>
      <td class="n share" title={`95 %: ${formatInterval(row[share])}`}>
        {formatPercent(quality.samples > 0 ? count / quality.samples : 0)}
        <small>{formatInterval(row[share])}</small>
      </td>
    </>
  );
  return (
    <div class="top">
      <table>
        <thead>
          <tr>
            {head("flat", "Flat", "In the function itself, with the 95 % interval of the share")}
            {head(
              "cumulative",
              "Cumulative",
              "In the function and what it calls, with the 95 % interval of the share",
            )}
            <th>Function</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => {
            const selected = state.function === row.function;
            return (
              <tr key={row.function} class={selected ? "selected" : ""}>
                {cells(row.flatValue, row.flatCount, row, "flatShare")}
                {cells(row.cumulativeValue, row.cumulativeCount, row, "cumulativeShare")}
                <td class="name">
                  <button
                    class="plain"
                    title={`${row.function}${row.file && `\n${row.file}`}\nShows where it is in the flame graph`}
                    aria-pressed={selected}
                    onClick={() => update({ function: selected ? undefined : row.function }, true)}
                  >
                    {selected ? row.function : shortName(row.function)}
                  </button>
                  {selected && <FunctionActions name={row.function} update={update} />}
                  <Bar
                    share={
                      (state.order === "flat" ? row.flatCount : row.cumulativeCount) /
                      Math.max(1, quality.samples)
                    }
                  />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="dim">
        {shown.length < rows.length && `${shown.length} of ${rows.length} rows match. `}
        {rows.length < answer.functions && (
          <>
            {answer.functions - rows.length} more functions. <button onClick={more}>Show more</button>
          </>
        )}
      </p>
    </div>
  );
}
