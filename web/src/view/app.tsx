// The whole page: its state is its address.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { profileTypes, type Selection } from "../api/collector";
import { parseTime, timeText, type TimeWindow } from "../model/time_window";
import { DEFAULTS, readState, writeState, type State } from "../model/url_state";
import { Comparison } from "./comparison";
import { Controls } from "./controls";
import { Header } from "./header";
import { ProfileView } from "./profile_view";
import { Progress } from "./progress";
import { Services } from "./services";
import { Timeline } from "./timeline";
import { useQuery } from "./use_query";

export type Update = (patch: Partial<State>, replace?: boolean) => void;

// What everything below the header works on.
export interface Context {
  state: State;
  update: Update;
  now: number; // of the last reload; what "now" in the address means
  window: TimeWindow;
  over: TimeWindow; // of the timeline
  selection: Selection;
  base: Selection | null;
}

function windowOf(from: string | undefined, to: string | undefined, now: number): TimeWindow | null {
  const start = parseTime(from ?? "", now);
  const end = parseTime(to ?? "", now);
  return start !== undefined && end !== undefined && start < end ? { from: start, to: end } : null;
}

export function addressOf(state: State, patch: Partial<State> = {}): string {
  return `/${writeState({ ...state, ...patch })}`;
}

// With times in place of "now-1h", so that it shows the same to whoever opens it later.
export function fixedTimes(state: State, now: number): State {
  const fixed = { ...state };
  for (const name of ["from", "to", "over_from", "over_to", "base_from", "base_to"] as const) {
    const time = parseTime(state[name] ?? "", now);
    if (time !== undefined) fixed[name] = timeText(time);
  }
  return fixed;
}

function useAddress(): [State, Update] {
  const [state, setState] = useState(() => readState(location.search));
  useEffect(() => {
    const read = () => setState(readState(location.search));
    addEventListener("popstate", read);
    return () => removeEventListener("popstate", read);
  }, []);
  const update = useCallback<Update>((patch, replace = false) => {
    setState((before) => {
      const after = { ...before, ...patch };
      if (writeState(after) !== writeState(before)) {
        history[replace ? "replaceState" : "pushState"](null, "", addressOf(after));
      }
      return after;
    });
  }, []);
  return [state, update];
}

export function App() {
  const [state, update] = useAddress();
  const [now, setNow] = useState(() => Date.now());
  const reload = useCallback(() => setNow(Date.now()), []);

  const context = useMemo<Context | null>(() => {
    const window = windowOf(state.from, state.to, now);
    if (!window) return null;
    const over = windowOf(state.over_from, state.over_to, now) ?? window;
    const { type, focus, ignore } = state;
    const selection = { selector: state.selector ?? "", window, type, focus, ignore };
    const baseWindow = windowOf(state.base_from, state.base_to, now);
    const base = baseWindow && {
      ...selection,
      selector: state.base_selector ?? selection.selector,
      window: baseWindow,
    };
    return { state, update, now, window, over, selection, base };
  }, [state, update, now]);

  const types = useQuery("profile types", context && `${context.over.from}-${context.over.to}`, (signal) =>
    profileTypes(context!.over, signal),
  );

  useEffect(() => {
    document.title = state.selector === undefined ? "pilotlight" : `${state.selector || "{}"} – pilotlight`;
  }, [state.selector]);

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") document.getElementById("search")?.focus();
      else if (event.key === "r") reload();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [reload]);

  return (
    <>
      <Header
        state={state}
        update={update}
        now={now}
        window={context?.window}
        types={types.answer ?? []}
        reload={reload}
      />
      <Progress />
      <main>
        {context === null ? (
          <p class="message error">
            The address has no window: from={state.from} to={state.to}. Times are like now-1h,
            2024-05-01T12:00:00Z or Unix seconds, and from is before to.{" "}
            <button onClick={() => update({ from: DEFAULTS.from, to: DEFAULTS.to })}>
              Show the last hour
            </button>
          </p>
        ) : (
          <>
            {state.selector === undefined ? (
              <Services {...context} />
            ) : (
              <>
                <Timeline {...context} />
                <Controls {...context} />
                <Comparison {...context} />
                <ProfileView {...context} />
              </>
            )}
          </>
        )}
      </main>
    </>
  );
}
