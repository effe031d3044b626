// What is kept of the stacks, what is looked for in them, and how it is shown.
import { useEffect, useRef, useState } from "preact/hooks";
import { compile } from "../model/search";
import { VIEWS } from "../model/url_state";
import type { Context } from "./app";

const VIEW_NAMES = {
  both: "Top and flame graph",
  top: "Top",
  flame: "Flame graph",
  sandwich: "Callers and callees",
};

export function Controls(context: Context) {
  const { state, update } = context;
  return (
    <div class="bar controls">
      <span class="group" role="group" aria-label="View">
        {VIEWS.map((view) => (
          <button key={view} aria-pressed={state.view === view} onClick={() => update({ view })}>
            {VIEW_NAMES[view]}
          </button>
        ))}
      </span>
      <Expression
        id="search"
        label="Search"
        title="Highlights functions (/). A regular expression; n and N go from match to match"
        value={state.search}
        live
        onChange={(search) => update({ search }, true)}
      />
      <Expression
        id="focus"
        label="Focus"
        title="Keeps only the stacks with such a function. A regular expression (RE2)"
        value={state.focus}
        onChange={(focus) => update({ focus, zoom: undefined })}
      />
      <Expression
        id="ignore"
        label="Ignore"
        title="Drops the stacks with such a function. A regular expression (RE2)"
        value={state.ignore}
        onChange={(ignore) => update({ ignore, zoom: undefined })}
      />
    </div>
  );
}

interface Props {
  id: string;
  label: string;
  title: string;
  value?: string;
  live?: boolean; // changes with each key, else with Enter or when left
  onChange(value: string | undefined): void;
}

function Expression({ id, label, title, value, live, onChange }: Props) {
  const [text, setText] = useState(value ?? "");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // The echo of what was typed a moment ago must not undo what was typed since.
    if (document.activeElement !== input.current) setText(value ?? "");
  }, [value]);
  const error = text ? compile(text).error : undefined;
  const send = (next: string) => {
    if ((next || undefined) !== value && (live || !compile(next).error)) onChange(next || undefined);
  };
  return (
    <label class="expression" title={title}>
      {label}
      <input
        ref={input}
        id={id}
        class="code"
        type="search"
        spellcheck={false}
        value={text}
        aria-invalid={error !== undefined}
        placeholder="regexp"
        onInput={(event) => {
          setText(event.currentTarget.value);
          if (live || event.currentTarget.value === "") send(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") send(text);
          if (event.key === "Escape") {
            setText("");
            onChange(undefined);
          }
        }}
        onBlur={() => send(text)}
      />
      {error && <span class="error">{error}</span>}
    </label>
  );
}
