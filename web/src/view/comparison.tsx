// What the selection is compared with: another window, another version, or both.
import { timeText, windowText } from "../model/time_window";
import type { Context } from "./app";
import { Downloads } from "./downloads";
import { SelectorBar } from "./selector_bar";

const HOUR = 3_600_000;
const BEFORE: [text: string, back: number | undefined][] = [
  ["the window before", undefined],
  ["an hour before", HOUR],
  ["a day before", 24 * HOUR],
  ["a week before", 7 * 24 * HOUR],
  ["the same window", 0],
];

export function Comparison({ state, update, window, now, selection, base }: Context) {
  const compare = (back: number) =>
    update({ base_from: timeText(window.from - back), base_to: timeText(window.to - back), zoom: undefined });
  const none = { base_from: undefined, base_to: undefined, base_selector: undefined, zoom: undefined };
  const chosen = base
    ? BEFORE.findIndex(
        ([, back]) => Math.abs(window.from - (back ?? window.to - window.from) - base.window.from) < 1000,
      )
    : -1;
  return (
    <div class="bar comparison">
      <label>
        Compare with{" "}
        <select
          id="compare"
          value={base ? String(chosen) : "none"}
          onChange={(event) => {
            const choice = event.currentTarget.value;
            if (choice === "none") update(none);
            else compare(BEFORE[Number(choice)][1] ?? window.to - window.from);
          }}
        >
          <option value="none">nothing</option>
          {base && chosen < 0 && <option value="-1">another window</option>}
          {BEFORE.map(([text], i) => (
            <option key={text} value={String(i)}>
              {text}
            </option>
          ))}
        </select>
      </label>
      {base && (
        <>
          <span>
            <i class="swatch base" /> {windowText(base.window, now)} of
          </span>
          <SelectorBar
            label="Selection of the baseline"
            selector={state.base_selector ?? state.selector}
            window={base.window}
            onChange={(selector) =>
              update({ base_selector: selector === state.selector ? undefined : selector, zoom: undefined })
            }
          />
          <button
            onClick={() =>
              update({
                from: state.base_from,
                to: state.base_to,
                base_from: timeText(window.from),
                base_to: timeText(window.to),
                selector: state.base_selector ?? state.selector,
                base_selector: state.base_selector && state.selector,
                over_from: timeText(Math.min(window.from, base.window.from)),
                over_to: timeText(Math.max(window.to, base.window.to)),
                zoom: undefined,
              })
            }
          >
            Swap
          </button>
        </>
      )}
      <span class="space" />
      <Downloads selection={selection} base={base} />
    </div>
  );
}
