// A flame graph with its tooltip, and a line that tells about the chosen frame.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { differencePalette, framePalette } from "../model/colours";
import { FlameCanvas, ROW, type FlameModel } from "./flame_canvas";
import { FunctionActions } from "./function_actions";
import { styleValue, useDark } from "./theme";
import type { Update } from "./app";

interface Props {
  label: string;
  hint?: boolean;
  model: FlameModel;
  colours: "frames" | "difference";
  matches: Uint8Array | null;
  up: boolean;
  zoom: number;
  describe(node: number): string[]; // the lines below the name
  onZoom(node: number): void;
  update: Update;
}

export function FlamePanel(props: Props) {
  const { label, hint = true, model, colours, matches, up, zoom, describe, update } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const flame = useRef<FlameCanvas | null>(null);
  const [hover, setHover] = useState<{ node: number; x: number; y: number } | null>(null);
  const [selected, setSelected] = useState(-1);
  const [rows, setRows] = useState(1);
  const onZoom = useRef(props.onZoom);
  onZoom.current = props.onZoom;
  const dark = useDark();

  useEffect(() => {
    flame.current = new FlameCanvas(scroller.current!, {
      onHover: (node, x, y) => setHover(node < 0 ? null : { node, x, y }),
      onSelect: setSelected,
      onZoom: (node) => onZoom.current(node),
    });
    (scroller.current as unknown as { flame: FlameCanvas }).flame = flame.current; // for tests
    return () => flame.current?.destroy();
  }, []);

  useEffect(() => flame.current!.canvas.setAttribute("aria-label", label), [label]);

  useEffect(() => {
    setHover(null);
    setSelected(-1);
    flame.current!.setDirection(up);
    flame.current!.setModel(model);
    flame.current!.setZoom(zoom, false);
    setRows(flame.current!.rows);
  }, [model]);

  const palette = useMemo(
    () => (colours === "frames" ? framePalette(dark) : differencePalette(dark)),
    [colours, dark],
  );
  useEffect(
    () => flame.current!.setPalette(palette, styleValue("--text"), styleValue("--ground")),
    [palette],
  );
  useEffect(() => flame.current!.setDirection(up), [up]);
  useEffect(() => flame.current!.setMatches(matches), [matches, model]);
  useEffect(() => flame.current!.setZoom(zoom), [zoom]);
  useEffect(() => flame.current!.setSelected(selected), [selected, model]);

  const nameOf = (node: number) => model.names[model.name[node]] ?? "";
  const shown = selected >= 0 && selected < model.parent.length ? selected : -1;
  return (
    <div class="flame">
      <div class="scroller" ref={scroller} data-rows={rows} />
      <FlameHeight element={scroller} rows={rows} />
      <div class="chosen" aria-live="polite">
        {shown < 0 ? (
          hint && (
            <span class="dim">
              Click zooms, Ctrl and wheel too. Arrow keys walk, Enter zooms, Esc shows all.
            </span>
          )
        ) : (
          <>
            <b class="code">{nameOf(shown)}</b>
            <span>{describe(shown).join(" · ")}</span>
            {shown > 0 && <FunctionActions name={nameOf(shown)} update={update} />}
          </>
        )}
        {zoom > 0 && <button onClick={() => onZoom.current(0)}>Show all</button>}
      </div>
      {hover && hover.node < model.parent.length && (
        <Tooltip {...hover} name={nameOf(hover.node)} lines={describe(hover.node)} />
      )}
    </div>
  );
}

// As high as the graph, within what the style sheet allows.
function FlameHeight({ element, rows }: { element: { current: HTMLElement | null }; rows: number }) {
  useEffect(() => {
    if (element.current) element.current.style.height = `${rows * ROW + 2}px`;
  }, [rows]);
  return null;
}

function Tooltip({ x, y, name, lines }: { x: number; y: number; name: string; lines: string[] }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current!;
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    element.style.top = `${y + 18 + height > innerHeight ? y - height - 10 : y + 18}px`;
  });
  return (
    <div class="tooltip" ref={box} role="tooltip">
      <b class="code">{name}</b>
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    </div>
  );
}
