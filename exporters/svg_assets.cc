#include "exporters/svg_assets.h"

namespace pilotlight {

// The colours of the bars are added by the writer. Sizes are those of svg.cc.
const absl::string_view kSvgStyle = R"css(
text{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#222;white-space:pre}
svg:root{background:#fff}.back{fill:#fff}.title{font-size:17px;font-weight:bold}.muted,.legend text{fill:#667}
.bars rect{stroke:#fff;stroke-width:.6}.bars text{fill:#1b1b1f;pointer-events:none}.bars svg{cursor:pointer}
.bars svg:hover>rect{stroke:#222;stroke-width:2}.bars .up{opacity:.55}
.find svg:not(.hit)>rect{fill-opacity:.4}.bars .hit>rect{fill:#e879f9}
@media(prefers-color-scheme:dark){svg:root{background:#1c1d22}.back{fill:#1c1d22}.head text{fill:#dde}.head .muted,.legend text{fill:#99a}
.bars rect{stroke:#1c1d22}.bars svg:hover>rect{stroke:#fff}.find svg:not(.hit)>text{fill:#dde}}
)css";

// Positions are in per cent of the whole graph, so that zooming is one linear map and needs no layout.
const absl::string_view kSvgScript = R"js(
(() => {
const root = document.currentScript.closest('svg'), area = root.querySelector('.bars');
const detail = root.querySelector('.detail'), samples = +area.dataset.samples;
const hint = 'Click a bar to zoom, Esc goes back, / searches.';
const epsilon = 0.0005;  // per cent; positions have four decimals, bars are at least 0.008 wide
const bars = [];
[...area.children].forEach((row, at, rows) => {
  const depth = area.dataset.layout === 'flame' ? rows.length - 1 - at : at;
  for (const e of row.children) {
    const title = e.firstElementChild.textContent;
    bars.push({e, depth, title, name: title.slice(0, title.lastIndexOf('\n')),
               x: parseFloat(e.getAttribute('x')), w: parseFloat(e.getAttribute('width'))});
  }
});
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const combining = /\p{M}/u;
function fit(name, columns) {
  if (columns < 3) return '';
  let text = '', used = 0, cut = 0;
  for (const c of name) {
    used += combining.test(c) ? 0 : wide.test(c) ? 2 : 1;
    if (used > columns) return text.slice(0, cut) + '…';
    text += c;
    if (used < columns) cut = text.length;
  }
  return text;
}

let zoomed = null, matched = '', width = 0;
function draw() {
  const from = zoomed ? zoomed.x : 0, span = zoomed ? zoomed.w : 100;
  for (const b of bars) {
    const above = zoomed !== null && b.depth < zoomed.depth;
    const shown = above ? b.x <= from + epsilon && b.x + b.w >= from + span - epsilon
                        : b.x >= from - epsilon && b.x + b.w <= from + span + epsilon;
    b.e.style.display = shown ? '' : 'none';
    b.e.classList.toggle('up', above && shown);
    if (!shown) continue;
    const w = above ? 100 : b.w / span * 100;
    b.e.setAttribute('x', (above ? 0 : (b.x - from) / span * 100) + '%');
    b.e.setAttribute('width', w + '%');
    const label = fit(b.name, Math.floor((w * width / 100 - 6) / 7.23));
    let text = b.e.querySelector('text');
    if (label && !text) {
      text = document.createElementNS(root.namespaceURI, 'text');
      text.setAttribute('x', 4);
      text.setAttribute('y', 13);
      b.e.append(text);
    }
    if (text) text.textContent = label;
  }
}
function zoom(bar) {
  zoomed = bar && bar.depth > 0 ? bar : null;
  draw();
}
function resize() {
  width = (root.clientWidth || innerWidth) - 20;
  area.setAttribute('width', Math.max(width, 100));
  box.setAttribute('x', Math.max(width - 290, 0));
  draw();
}

function percent(share) { return +(share * 100).toPrecision(3); }
// The 95 % interval of a share, after Wilson (1927).
function interval(p, n) {
  const z = 1.959964, d = 1 + z * z / n, c = p + z * z / n / 2, r = z * Math.sqrt((p * (1 - p) + z * z / n / 4) / n);
  return ` (${percent(Math.max((c - r) / d, 0))}–${percent(Math.min((c + r) / d, 1))}%)`;
}
function search(pattern) {
  let expression = null;
  try { expression = pattern ? new RegExp(pattern) : null; } catch (e) {
    input.style.outline = '2px solid #d33';
    return;
  }
  input.style.outline = '';
  const hits = bars.filter(b => b.e.classList.toggle('hit', expression !== null && expression.test(b.name)));
  area.classList.toggle('find', expression !== null);
  // A match below another one is in its width already.
  let end = 0, sum = 0;
  for (const b of hits.sort((a, b) => a.x - b.x || b.w - a.w)) {
    if (b.x + b.w <= end + epsilon) continue;
    sum += b.w;
    end = b.x + b.w;
  }
  const share = Math.min(sum / 100, 1);
  matched = expression ? `Matched: ${percent(share)}%${samples ? interval(share, samples) : ''} in ${hits.length} bars` : '';
  detail.textContent = matched || hint;
}

const box = document.createElementNS(root.namespaceURI, 'foreignObject');
const input = document.createElementNS('http://www.w3.org/1999/xhtml', 'input');
box.setAttribute('y', 8);
box.setAttribute('width', 300);
box.setAttribute('height', 34);
input.setAttribute('placeholder', '/  search by regular expression');
input.setAttribute('style', 'box-sizing:border-box;width:292px;margin:3px;padding:4px 8px;font:12px ui-monospace,monospace;' +
                            'border:1px solid #99a;border-radius:5px;background:#fff;color:#222');
box.append(input);
root.append(box);
input.addEventListener('input', () => search(input.value));
input.addEventListener('keydown', e => { if (e.key === 'Enter') input.blur(); });

const barOf = new Map(bars.map(b => [b.e, b]));
const barAt = e => barOf.get(e.target.closest && e.target.closest('.bars g>svg'));
area.addEventListener('click', e => { const b = barAt(e); if (b) zoom(b); });
area.addEventListener('mouseover', e => { const b = barAt(e); if (b) detail.textContent = b.title.replace('\n', '   '); });
area.addEventListener('mouseleave', () => { detail.textContent = matched || hint; });
addEventListener('keydown', e => {
  if (e.key === '/' && e.target !== input) {
    e.preventDefault();
    input.focus();
    input.select();
  } else if (e.key === 'Escape') {
    if (e.target !== input && zoomed) return zoom(null);
    input.value = '';
    input.blur();
    search('');
  }
});
root.removeAttribute('viewBox');
root.setAttribute('width', '100%');
detail.textContent = hint;
addEventListener('resize', resize);
resize();
})();
)js";

}  // namespace pilotlight
