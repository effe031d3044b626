// The selection as a file, by the collector's own addresses.
import type { Selection } from "../api/collector";
import { timeText } from "../model/time_window";

const FILES = [
  { path: "/debug/pprof/merge", name: "pprof" },
  { path: "/folded", name: "folded" },
  { path: "/flamegraph.svg", name: "SVG" },
  { path: "/flamegraph.json", name: "JSON" },
  { path: "/cpuprofile", name: "cpuprofile" },
  { path: "/callgraph.dot", name: "DOT" },
  { path: "/speedscope.json", name: "speedscope" },
];

export function Downloads({ selection, base }: { selection: Selection; base: Selection | null }) {
  const parameters = new URLSearchParams({
    ...(selection.selector && { selector: selection.selector }),
    from: timeText(selection.window.from),
    to: timeText(selection.window.to),
    ...(selection.type && { type: selection.type }),
    ...(selection.focus && { focus: selection.focus }),
    ...(selection.ignore && { ignore: selection.ignore }),
  });
  const difference = new URLSearchParams(parameters);
  if (base) {
    difference.set("base_selector", base.selector);
    difference.set("base_from", timeText(base.window.from));
    difference.set("base_to", timeText(base.window.to));
  }
  return (
    <span class="downloads">
      <span class="dim">Download</span>
      {FILES.map(({ path, name }) => (
        <a key={path} href={`${path}?${parameters.toString()}`} download>
          {name}
        </a>
      ))}
      {base && (
        <a href={`/diff.json?${difference.toString()}`} download>
          difference as JSON
        </a>
      )}
      <a
        href={`/speedscope/#profileURL=${encodeURIComponent(`/speedscope.json?${parameters.toString()}`)}`}
        target="_blank"
        rel="noreferrer"
      >
        open in speedscope ↗
      </a>
    </span>
  );
}
