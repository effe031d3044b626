// What the page shows, all of which stands in its address, so that a link shows the same again. The
// parameters that the collector's other addresses have too are named and written as there.

export const VIEWS = ["both", "top", "flame", "sandwich"] as const;
export const ORDERS = ["flat", "cumulative"] as const;

export interface State {
  selector?: string; // not set: the list of services
  from: string;
  to: string;
  over_from?: string; // what the timeline shows, when that is more than the window
  over_to?: string;
  type?: string; // CPU time when not set
  focus?: string;
  ignore?: string;
  view: (typeof VIEWS)[number];
  order: (typeof ORDERS)[number];
  direction: "down" | "up"; // icicle or flame
  search?: string;
  function?: string; // of the sandwich
  zoom?: string; // the stack hash of the node that fills the width
  // The baseline of a comparison: there is one when base_from is set. Its selector is the same when not set.
  base_from?: string;
  base_to?: string;
  base_selector?: string;
  sort?: string; // the column of the list of services
}

export const DEFAULTS: State = { from: "now-1h", to: "now", view: "both", order: "flat", direction: "down" };

const FREE = [
  "selector",
  "from",
  "to",
  "over_from",
  "over_to",
  "type",
  "focus",
  "ignore",
  "search",
  "function",
  "zoom",
  "base_from",
  "base_to",
  "base_selector",
  "sort",
] as const;

function oneOf<T extends string>(values: readonly T[], text: string | null, otherwise: T): T {
  return values.includes(text as T) ? (text as T) : otherwise;
}

export function readState(query: string): State {
  const parameters = new URLSearchParams(query);
  const state: State = { ...DEFAULTS };
  for (const name of FREE) {
    const value = parameters.get(name);
    // An empty selector is one: of everything.
    if (value !== null && (value !== "" || name === "selector")) state[name] = value;
  }
  state.view = oneOf(VIEWS, parameters.get("view"), DEFAULTS.view);
  state.order = oneOf(ORDERS, parameters.get("order"), DEFAULTS.order);
  state.direction = oneOf(["down", "up"] as const, parameters.get("direction"), DEFAULTS.direction);
  return state;
}

// Without what is as by default; the window is always there, as it is what a reader looks for.
export function writeState(state: State): string {
  const parameters = new URLSearchParams();
  for (const name of FREE) {
    const value = state[name];
    if (value !== undefined && (value !== "" || name === "selector")) parameters.set(name, value);
  }
  for (const name of ["view", "order", "direction"] as const) {
    if (state[name] !== DEFAULTS[name]) parameters.set(name, state[name]);
  }
  return `?${parameters.toString()}`;
}
