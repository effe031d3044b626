// Label matchers as chips, with a form to add one from the labels that there are, and as text.
import { useState } from "preact/hooks";
import { labelNames, labelValues } from "../api/collector";
import { OPERATORS, formatSelector, parseSelector, type Matcher, type Operator } from "../model/selector";
import type { TimeWindow } from "../model/time_window";
import { useQuery } from "./use_query";

interface Props {
  label: string;
  selector?: string; // not set: nothing is selected
  window?: TimeWindow;
  onChange(selector: string | undefined): void;
}

export function SelectorBar({ label, selector, window, onChange }: Props) {
  const [mode, setMode] = useState<"chips" | "add" | "text">("chips");
  const matchers = parseSelector(selector ?? "");
  const done = (next: Matcher[]) => {
    setMode("chips");
    onChange(formatSelector(next));
  };
  return (
    <span class="selector" role="group" aria-label={label}>
      {mode === "text" || matchers === undefined ? (
        <TextForm
          key={selector}
          selector={selector ?? "{}"}
          onDone={(text) => {
            setMode("chips");
            if (text !== undefined) onChange(text);
          }}
        />
      ) : (
        <>
          {selector === undefined && <span class="dim">all services</span>}
          {selector !== undefined && matchers.length === 0 && <span class="chip">everything</span>}
          {matchers.map((matcher, i) => (
            <span class="chip" key={i}>
              <span class="dim">
                {matcher.name}
                {matcher.operator}
              </span>
              {matcher.value || '""'}
              <button
                aria-label={`Remove ${matcher.name}`}
                onClick={() => done(matchers.filter((_, k) => k !== i))}
              >
                ×
              </button>
            </span>
          ))}
          <button
            aria-expanded={mode === "add"}
            onClick={() => setMode(mode === "add" ? "chips" : "add")}
            title="Add a label matcher"
          >
            + label
          </button>
          <button
            onClick={() => setMode("text")}
            title="Type the selector"
            aria-label="Edit the selector as text"
          >
            ✎
          </button>
          {mode === "add" && window && (
            <AddForm
              selector={selector ?? ""}
              window={window}
              onAdd={(matcher) => done([...matchers, matcher])}
              onCancel={() => setMode("chips")}
            />
          )}
        </>
      )}
    </span>
  );
}

function TextForm({ selector, onDone }: { selector: string; onDone(text?: string): void }) {
  const [text, setText] = useState(selector);
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onDone(text);
      }}
    >
      <input
        aria-label="Selector"
        class="wide code"
        value={text}
        autofocus
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && onDone()}
      />
      <button type="submit">Select</button>
    </form>
  );
}

interface AddProps {
  selector: string;
  window: TimeWindow;
  onAdd(matcher: Matcher): void;
  onCancel(): void;
}

function AddForm({ selector, window, onAdd, onCancel }: AddProps) {
  const [name, setName] = useState("");
  const [operator, setOperator] = useState<Operator>("=");
  const [value, setValue] = useState("");
  const span = `${selector} ${window.from} ${window.to}`;
  const names = useQuery("label names", span, (signal) => labelNames(selector, window, signal));
  const chosen =
    name ||
    (names.answer?.includes("service_name") && selector === "" ? "service_name" : names.answer?.[0]) ||
    "";
  const values = useQuery("label values", chosen ? `${chosen} ${span}` : null, (signal) =>
    labelValues(chosen, selector, window, signal),
  );
  const error = names.error ?? values.error;
  return (
    <form
      class="popup"
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen) onAdd({ name: chosen, operator, value });
      }}
      onKeyDown={(event) => event.key === "Escape" && onCancel()}
    >
      <select aria-label="Label" value={chosen} onChange={(event) => setName(event.currentTarget.value)}>
        {(names.answer ?? []).map((n) => (
          <option key={n}>{n}</option>
        ))}
      </select>
      <select
        aria-label="Operator"
        value={operator}
        onChange={(event) => setOperator(event.currentTarget.value as Operator)}
      >
        {OPERATORS.map((o) => (
          <option key={o}>{o}</option>
        ))}
      </select>
      <input
        aria-label="Value"
        class="code"
        list="label-values"
        value={value}
        autofocus
        spellcheck={false}
        placeholder={values.answer ? `${values.answer.length} values` : ""}
        onInput={(event) => setValue(event.currentTarget.value)}
      />
      <datalist id="label-values">
        {(values.answer ?? []).map((v) => (
          <option key={v} value={v} />
        ))}
      </datalist>
      <button type="submit" disabled={!chosen}>
        Add
      </button>
      {error && <span class="error">{error}</span>}
    </form>
  );
}
