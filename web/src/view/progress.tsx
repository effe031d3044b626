// What is being asked, since when, and the way to stop it.
import { useEffect, useState } from "preact/hooks";
import { useRunning } from "./use_query";

// Quick answers need no telling.
const QUICK_MS = 400;

export function Progress() {
  const running = useRunning();
  const [now, setNow] = useState(0);
  const some = running.length > 0;
  useEffect(() => {
    if (!some) return undefined;
    const timer = setInterval(() => setNow(performance.now()), 100);
    return () => clearInterval(timer);
  }, [some]);
  const slow = running.filter((query) => now - query.since > QUICK_MS);
  const longest = Math.max(0, ...slow.map((query) => now - query.since));
  return (
    <div class={`progress${slow.length > 0 ? " shown" : ""}`} role="status">
      {slow.length > 0 && (
        <>
          <span class="runner" aria-hidden="true" />
          <span>
            Asking for {[...new Set(slow.map((query) => query.what))].join(", ")}
            <span aria-hidden="true"> · {(longest / 1000).toFixed(1)} s</span>
          </span>
          <button onClick={() => running.forEach((query) => query.cancel())}>Cancel</button>
        </>
      )}
    </div>
  );
}
