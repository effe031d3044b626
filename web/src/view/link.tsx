// A link within the page: a click changes the state, everything else (new tab, copy) is the browser's.
import type { ComponentChildren } from "preact";
import { DEFAULTS, readState, type State } from "../model/url_state";
import type { Update } from "./app";

interface Props {
  href: string;
  update: Update;
  class?: string;
  children: ComponentChildren;
}

const NOTHING = Object.fromEntries(
  [
    "selector",
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
  ].map((name) => [name, undefined]),
) as Partial<State>;

export function Link({ href, update, children, ...rest }: Props) {
  return (
    <a
      {...rest}
      href={href}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        update({ ...NOTHING, ...DEFAULTS, ...readState(new URL(href, location.href).search) });
        scrollTo(0, 0);
      }}
    >
      {children}
    </a>
  );
}
