// A question to the collector, asked anew when its key changes; the answer before stays in sight meanwhile.
import { useEffect, useRef, useState } from "preact/hooks";

export interface Query<T> {
  answer?: T;
  stale: boolean; // the answer is of an earlier question
  error?: string;
  pending: boolean;
}

// What runs now, for the line that shows progress.
export interface Running {
  what: string;
  since: number;
  cancel(): void;
}

const running = new Set<Running>();
const listeners = new Set<() => void>();
const changed = () => listeners.forEach((listener) => listener());

export function useRunning(): Running[] {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return [...running];
}

// Without a key there is no question.
export function useQuery<T>(
  what: string,
  key: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
): Query<T> {
  const [state, setState] = useState<Query<T>>({ stale: false, pending: key !== null });
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (key === null) {
      setState({ stale: false, pending: false });
      return undefined;
    }
    const controller = new AbortController();
    let replaced = false;
    const entry: Running = { what, since: performance.now(), cancel: () => controller.abort() };
    running.add(entry);
    changed();
    setState((before) => ({ answer: before.answer, stale: before.answer !== undefined, pending: true }));
    latest
      .current(controller.signal)
      .then((answer) => {
        if (!replaced) setState({ answer, stale: false, pending: false });
      })
      .catch((error: Error) => {
        if (replaced) return;
        const message = controller.signal.aborted ? "Cancelled. Reload asks again." : error.message;
        setState((before) => ({ answer: before.answer, stale: true, error: message, pending: false }));
      })
      .finally(() => {
        running.delete(entry);
        changed();
      });
    return () => {
      replaced = true;
      controller.abort();
    };
  }, [key, what]);
  return state;
}
