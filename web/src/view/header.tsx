// Where one is: everything or a selection, of which type, over which time.
import { useState } from "preact/hooks";
import type { ProfileType } from "../api/collector";
import { parseTime, timeText, windowText, type TimeWindow } from "../model/time_window";
import type { State } from "../model/url_state";
import { addressOf, fixedTimes, type Update } from "./app";
import { Link } from "./link";
import { SelectorBar } from "./selector_bar";
import { toggleTheme, useDark } from "./theme";

const SPANS = ["15m", "1h", "6h", "24h", "7d"];
const CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds";

interface Props {
  state: State;
  update: Update;
  now: number;
  window?: TimeWindow;
  types: ProfileType[];
  reload(): void;
}

export function Header(props: Props) {
  const { state, update, now, types, reload } = props;
  const dark = useDark();
  const type = state.type ?? CPU;
  const names = [...new Set([CPU, type, ...types.map((t) => t.name)])];
  return (
    <header>
      <Link
        class="brand"
        href={addressOf({ from: state.from, to: state.to, view: "both", order: "flat", direction: "down" })}
        update={update}
      >
        <Flame /> pilotlight
      </Link>
      <SelectorBar
        label="Selection"
        selector={state.selector}
        window={props.window}
        onChange={(selector) => update({ selector, zoom: undefined })}
      />
      <select
        aria-label="Profile type"
        value={type}
        onChange={(event) =>
          update({
            type: event.currentTarget.value === CPU ? undefined : event.currentTarget.value,
            zoom: undefined,
          })
        }
      >
        {names.map((name) => (
          <option key={name} value={name} title={name}>
            {typeText(name)}
          </option>
        ))}
      </select>
      <TimeControls {...props} />
      <span class="group">
        <button onClick={reload} title="Ask again, up to now (r)">
          Reload
        </button>
        <CopyLink state={state} now={now} />
        <button
          onClick={toggleTheme}
          title={dark ? "Light colours" : "Dark colours"}
          aria-label={dark ? "Light colours" : "Dark colours"}
        >
          {dark ? "☀" : "☾"}
        </button>
      </span>
    </header>
  );
}

// "process_cpu:cpu:nanoseconds:…" is "CPU time", "memory:inuse_space:bytes:…" is "memory: inuse_space".
function typeText(name: string): string {
  if (name === CPU) return "CPU time";
  const [profile, sample] = name.split(":");
  return profile === sample ? profile : `${profile}: ${sample}`;
}

function TimeControls({ state, update, now, window }: Props) {
  const [open, setOpen] = useState(false);
  const last = /^now-(.+)$/.exec(state.over_from ?? state.from)?.[1];
  const isLast = (state.over_to ?? state.to) === "now";
  const to = (from: string, end: string) =>
    update({ from, to: end, over_from: undefined, over_to: undefined });
  const shift = (part: number) => {
    if (!window) return;
    const by = (window.to - window.from) * part;
    to(timeText(window.from + by), timeText(Math.min(Date.now(), window.to + by)));
  };
  return (
    <span class="group times" role="group" aria-label="Time">
      {SPANS.map((span) => (
        <button key={span} aria-pressed={isLast && last === span} onClick={() => to(`now-${span}`, "now")}>
          {span}
        </button>
      ))}
      <button aria-label="Earlier" title="Earlier by half the window" onClick={() => shift(-0.5)}>
        ‹
      </button>
      <button class="window" aria-expanded={open} onClick={() => setOpen(!open)} title="Type a window">
        {window ? windowText(window, now) : "no window"}
      </button>
      <button aria-label="Later" title="Later by half the window" onClick={() => shift(0.5)}>
        ›
      </button>
      {open && (
        <WindowForm
          state={state}
          now={now}
          onDone={(from, end) => {
            setOpen(false);
            if (from) to(from, end!);
          }}
        />
      )}
    </span>
  );
}

interface FormProps {
  state: State;
  now: number;
  onDone(from?: string, to?: string): void;
}

function WindowForm({ state, now, onDone }: FormProps) {
  const [from, setFrom] = useState(state.from);
  const [to, setTo] = useState(state.to);
  const start = parseTime(from.trim(), now);
  const end = parseTime(to.trim(), now);
  const problem =
    start === undefined || end === undefined
      ? "now-2h, 2024-05-01T12:00:00Z or Unix seconds"
      : start >= end
        ? "from is not before to"
        : "";
  return (
    <form
      class="popup"
      onSubmit={(event) => {
        event.preventDefault();
        if (!problem) onDone(from.trim(), to.trim());
      }}
      onKeyDown={(event) => event.key === "Escape" && onDone()}
    >
      <label>
        from <input value={from} onInput={(event) => setFrom(event.currentTarget.value)} spellcheck={false} />
      </label>
      <label>
        to <input value={to} onInput={(event) => setTo(event.currentTarget.value)} spellcheck={false} />
      </label>
      <button type="submit" disabled={problem !== ""}>
        Show
      </button>
      <span class="dim">{problem}</span>
    </form>
  );
}

function CopyLink({ state, now }: { state: State; now: number }) {
  const [copied, setCopied] = useState(false);
  const href = addressOf(fixedTimes(state, now));
  // A link, too, where the clipboard is closed to pages without TLS.
  return (
    <a
      class="button"
      id="share"
      href={href}
      title="A link to exactly this, with fixed times"
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || !navigator.clipboard) return;
        event.preventDefault();
        void navigator.clipboard.writeText(new URL(href, location.href).href).then(() => {
          setCopied(true);
          setTimeout(() => setCopied(false), 1500);
        });
      }}
    >
      {copied ? "Copied" : "Link"}
    </a>
  );
}

function Flame() {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path fill="currentColor" d="M8 0c1 3 5 5 5 10a5 5 0 0 1-10 0c0-2 1-3 2-4 0 2 1 3 2 3C9 7 7 4 8 0z" />
    </svg>
  );
}
