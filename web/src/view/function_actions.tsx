// What can be done with a function.
import type { Update } from "./app";

function exactly(name: string): string {
  return `^${name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`;
}

interface Props {
  name: string;
  update: Update;
  inSandwich?: boolean;
}

export function FunctionActions({ name, update, inSandwich }: Props) {
  return (
    <span class="group actions">
      {!inSandwich && (
        <button onClick={() => update({ view: "sandwich", function: name })}>Callers and callees</button>
      )}
      <button
        onClick={() => update({ focus: exactly(name), zoom: undefined })}
        title="Keep only stacks with it"
      >
        Focus
      </button>
      <button onClick={() => update({ ignore: exactly(name), zoom: undefined })} title="Drop stacks with it">
        Ignore
      </button>
      <button onClick={() => void navigator.clipboard?.writeText(name)}>Copy name</button>
    </span>
  );
}
