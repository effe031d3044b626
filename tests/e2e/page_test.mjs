// The collector's page in a real Chromium, against a real collector with a day of 200 services. Leaves
// pictures in web/screenshots of the build directory and prints how long things took; times are not judged.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const BUILD = process.env.PILOTLIGHT_BUILD; // the CMake build directory
const require = createRequire(join(BUILD, "web/page/"));
const puppeteer = require("puppeteer-core").default ?? require("puppeteer-core");
const AXE = require.resolve("axe-core/axe.min.js");
const SCREENSHOTS = join(BUILD, "web/screenshots");
const SERVICES = 200;
const DAY = "from=now-24h&to=now";
const CHECKOUT = `selector=${encodeURIComponent('{service_name="checkout"}')}`;

let directory, collector, base, browser;
const complaints = []; // of the console, and what the content security policy refused

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  directory = mkdtempSync(join(tmpdir(), "pilotlight-page-"));
  collector = spawn(join(BUILD, "bin/pilotlight-collector"), [
    "--storage.path",
    join(directory, "store"),
    "--grpc.listen-address",
    "127.0.0.1:0",
    "--web.listen-address",
    "127.0.0.1:0",
  ]);
  const [, grpcPort, httpPort] = await new Promise((resolve, reject) => {
    let log = "";
    collector.stderr.on("data", (text) => {
      log += text;
      const ports = /gRPC on port (\d+), HTTP on port (\d+)/.exec(log);
      if (ports) resolve(ports);
    });
    collector.on("exit", () => reject(new Error(log)));
  });
  base = `http://127.0.0.1:${httpPort}`;
  await promisify(execFile)(join(BUILD, "tests/page_history"), [grpcPort, String(SERVICES), "24"]);
  browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  collector?.kill();
  rmSync(directory, { recursive: true, force: true });
});

async function open(address, { width = 1440, height = 900, theme = "light" } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.on(
    "console",
    (message) =>
      ["error", "warn"].includes(message.type()) && complaints.push(`${address}: ${message.text()}`),
  );
  page.on("pageerror", (error) => complaints.push(`${address}: ${error.message}`));
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.goto(`${base}/?${address}`);
  return page;
}

const close = (page) => page.browserContext().close();
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);
const texts = (page, selector) =>
  page.$$eval(selector, (elements) => elements.map((element) => element.textContent.trim()));
const settled = (page) => page.waitForFunction(() => !document.querySelector(".stale, .progress.shown"));
const FLAME = "section[aria-label='Flame graph'] canvas";

async function waitForParameter(page, name, wanted) {
  await page.waitForFunction(
    (name, wanted) => new URL(location.href).searchParams.has(name) === wanted,
    {},
    name,
    wanted,
  );
  await settled(page);
}

async function press(page, text) {
  const button = await page.waitForSelector(`::-p-xpath(//button[normalize-space()="${text}"])`);
  await button.click();
}

// Where a frame of the flame graph is in the window.
function placeOf(page, name) {
  return page.$eval(
    ".flame .scroller",
    (element, name) => {
      const { model } = element.flame;
      return element.flame.positionOf(model.name.findIndex((n) => model.names[n] === name));
    },
    name,
  );
}

async function picture(page, name) {
  await settled(page);
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

async function assertAccessible(page) {
  await page.evaluate(() => document.querySelectorAll("[data-axe]").forEach((element) => element.remove()));
  // The policy of the page keeps other scripts out; the debugger's are not bound by it.
  const { readFileSync } = await import("node:fs");
  await page.evaluate(readFileSync(AXE, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(
    serious.map(({ id, nodes }) => [id, nodes.map((node) => node.html).slice(0, 3)]),
    [],
  );
}

async function openServices() {
  const page = await open(DAY);
  await page.waitForSelector(".services tbody tr");
  const shown = await page.evaluate(() => performance.now());
  await page.waitForFunction(() => !document.querySelector(".services tbody")?.textContent.includes("…"));
  const complete = await page.evaluate(() => performance.now());
  const answered = await page.evaluate(() => {
    const [first] = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/Series"));
    return { begun: first.startTime, took: first.duration };
  });
  console.log(
    `the list of services: asked for after ${answered.begun.toFixed(0)} ms, answered in ` +
      `${answered.took.toFixed(0)} ms, shown after ${shown.toFixed(0)} ms, with mcall and GC after ${complete.toFixed(0)} ms`,
  );
  return page;
}

test("a day of 200 services shows with cores, mcall and GC", async () => {
  // The first page of a browser that has just started, then that of one that runs.
  await close(await openServices());
  const page = await openServices();
  const rows = await page.$$eval(".services tbody tr", (trs) =>
    trs.map((tr) => [...tr.cells].map((cell) => cell.textContent)),
  );
  assert.equal(rows.length, SERVICES + 1);
  assert.equal(rows[0][0], "checkout");
  const cart = rows.find(([name]) => name === "cart");
  const search = rows.find(([name]) => name === "search");
  assert.ok(
    parseFloat(cart[4]) > 3 * parseFloat(search[4]),
    `mcall of cart ${cart[4]}, of search ${search[4]}`,
  );
  const catalog = rows.find(([name]) => name === "catalog");
  assert.ok(
    parseFloat(catalog[5]) > 3 * parseFloat(search[5]),
    `GC of catalog ${catalog[5]}, of search ${search[5]}`,
  );
  await picture(page, "services");
  await press(page, "mcall");
  await waitForParameter(page, "sort", true);
  assert.equal((await texts(page, ".services tbody .name"))[0], "cart");
  await page.type("[aria-label='Find a service']", "stock-3");
  await page.waitForFunction(() => document.querySelectorAll(".services tbody tr").length === 1);
  await (await page.$(".services tbody a")).click();
  await page.waitForSelector(FLAME);
  assert.equal(parameter(page, "selector"), '{service_name="stock-3"}');
  await page.goBack();
  await page.waitForSelector(".services tbody tr");
  await close(page);
});

test("dragging on the timeline chooses the window", async () => {
  const page = await open(`${CHECKOUT}&${DAY}`);
  await page.waitForSelector(FLAME);
  await page.waitForSelector(".u-over");
  await settled(page);
  const samples = await page.$eval(".quality", (line) => line.textContent);
  const plot = await (await page.$(".u-over")).boundingBox();
  await page.mouse.move(plot.x + plot.width * 0.25, plot.y + 30);
  await page.mouse.down();
  await page.mouse.move(plot.x + plot.width * 0.5, plot.y + 30, { steps: 5 });
  await page.mouse.up();
  await waitForParameter(page, "over_from", true);
  const hours = (Date.parse(parameter(page, "to")) - Date.parse(parameter(page, "from"))) / 3_600_000;
  assert.ok(Math.abs(hours - 6) < 0.3, `${hours} h`);
  await page.waitForFunction(
    (before) => document.querySelector(".quality")?.textContent !== before,
    {},
    samples,
  );
  await picture(page, "window");
  await press(page, "Whole span");
  await waitForParameter(page, "over_from", false);
  await close(page);
});

test("search highlights a share, focus and ignore keep and drop stacks", async () => {
  const page = await open(`${CHECKOUT}&${DAY}`);
  await page.waitForSelector(FLAME);
  await page.keyboard.press("/");
  await page.keyboard.type("json\\.Marshal");
  await page.waitForFunction(() =>
    /^1 frame matches: 2\d(\.\d)?% \(95 %: /.test(document.querySelector("#found").textContent),
  );
  assert.deepEqual(await texts(page, ".top td.name button.plain"), ["json.Marshal"]);
  await picture(page, "search");
  await page.keyboard.press("Escape");
  await page.type("#focus", "gcDrain\n");
  await waitForParameter(page, "focus", true);
  await page.waitForFunction(() => !document.querySelector(".top").textContent.includes("json.Marshal"));
  await page.type("#ignore", "markroot\n");
  await page.waitForFunction(() => !document.querySelector(".top").textContent.includes("markroot"));
  assert.ok((await texts(page, ".top td.name")).some((name) => name.includes("runtime.scanobject")));
  await page.type("#search", "a(");
  await page.waitForSelector("#search[aria-invalid='true']");
  await close(page);
});

test("a frame tells about itself, fills the width by a click or by keys, and Escape shows all", async () => {
  const page = await open(`${CHECKOUT}&${DAY}&view=flame`);
  await page.waitForSelector(FLAME);
  await settled(page);
  const place = await placeOf(page, "encoding/json.Marshal");
  await page.mouse.move(place.x, place.y);
  const tooltip = await page.waitForSelector(".tooltip");
  assert.match(
    await tooltip.evaluate((element) => element.textContent),
    /^encoding\/json\.Marshaltotal .*min, [\d.]+% \(95 %: /,
  );
  await page.mouse.click(place.x, place.y);
  await waitForParameter(page, "zoom", true);
  const zoom = parameter(page, "zoom");
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(
    () => document.querySelector(".chosen b")?.textContent === "encoding/json.(*encodeState).marshal",
  );
  await page.keyboard.press("Enter");
  await page.waitForFunction(
    (before) => new URL(location.href).searchParams.get("zoom") !== before,
    {},
    zoom,
  );
  await page.keyboard.press("Escape");
  await waitForParameter(page, "zoom", false);
  await press(page, "Flame");
  await waitForParameter(page, "direction", true);
  const turned = await placeOf(page, "encoding/json.Marshal");
  assert.ok((await placeOf(page, "total")).y > turned.y);
  await picture(page, "flame");
  await close(page);
});

test("callers and callees of a function, from the table", async () => {
  const page = await open(`${CHECKOUT}&${DAY}`);
  const row = await page.waitForSelector(".top button[title^='runtime.mallocgc']");
  await row.click();
  await press(page, "Callers and callees");
  await page.waitForSelector(".side.callers canvas");
  const names = (side) =>
    page.$eval(`.side.${side} .scroller`, ({ flame: { model } }) =>
      Array.from(model.name, (n) => model.names[n]),
    );
  const callers = await names("callers");
  assert.equal(callers[0], "runtime.mallocgc");
  assert.ok(callers.includes("runtime.growslice") && callers.includes("runtime.goexit"));
  assert.ok((await names("callees")).includes("runtime.gcAssistAlloc"));
  await picture(page, "sandwich");
  await assertAccessible(page);
  await close(page);
});

test("a comparison marks what is more than chance, and only that", async () => {
  const page = await open(`${CHECKOUT}&from=now-5h&to=now`);
  await page.waitForSelector("#compare");
  await page.select("#compare", "0"); // the window before
  await page.waitForSelector(".diff tbody tr");
  await settled(page);
  const row = (title) =>
    page.$eval(`.diff button[title='${title}']`, (button) => [
      button.closest("tr").className.trim(),
      button.closest("tr").cells[2].textContent,
    ]);
  const [kind, change] = await row("encoding/json.stringEncoder");
  assert.equal(kind, "grew");
  assert.match(change, /^▲ \+\d/);
  assert.equal((await row("math.Exp"))[0], "shrank");
  await page.waitForSelector("section[aria-label='Flame graph of the difference'] canvas");
  const place = await placeOf(page, "encoding/json.Marshal");
  await page.mouse.move(place.x, place.y);
  const tooltip = await page.waitForSelector(".tooltip");
  assert.match(
    await tooltip.evaluate((element) => element.textContent),
    /→ .*\+\d.* points\), more than chance/,
  );
  await picture(page, "difference");
  await assertAccessible(page);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await picture(page, "difference-dark");
  await assertAccessible(page);
  await press(page, "Swap");
  await page.waitForFunction(() =>
    document
      .querySelector(".diff button[title='encoding/json.stringEncoder']")
      ?.closest("tr")
      .className.includes("shrank"),
  );

  // Nothing changed before the newer version.
  await page.goto(`${base}/?${CHECKOUT}&from=now-11h&to=now-9h&base_from=now-13h&base_to=now-11h`);
  await page.waitForSelector(".diff tbody tr");
  await settled(page);
  const [significant] = await texts(page, ".top .bar b");
  assert.ok(Number(significant) <= 3, `${significant} changes of nothing`);
  await close(page);
});

test("two versions can be compared", async () => {
  const version = (text) => encodeURIComponent(`{service_name="checkout", version="${text}"}`);
  const page = await open(
    `selector=${version("1.5.0")}&base_selector=${version("1.4.0")}&${DAY}&base_from=now-24h&base_to=now`,
  );
  await page.waitForSelector(".diff tr.grew button[title='encoding/json.stringEncoder']");
  await settled(page);
  await close(page);
});

test("a link shows the same to someone else", async () => {
  const page = await open(`${CHECKOUT}&${DAY}&search=json&order=cumulative&direction=up`);
  await page.waitForSelector(FLAME);
  await settled(page);
  const place = await placeOf(page, "encoding/json.Marshal");
  await page.mouse.click(place.x, place.y);
  await waitForParameter(page, "zoom", true);
  const shown = (p) =>
    p.evaluate(() => [
      document.querySelector(".top").textContent,
      document.querySelector(".quality").textContent,
      document.querySelector("#found").textContent,
      document.querySelector("#search").value,
      document.querySelector(".flame .scroller").flame.zoomed,
    ]);
  const link = await page.$eval("#share", (a) => a.href);
  assert.ok(!new URL(link).search.includes("now"), link);
  const other = await open(new URL(link).search.slice(1));
  await other.waitForSelector(FLAME);
  await other.waitForFunction(() => document.querySelector("#found").textContent.includes("match"));
  await settled(other);
  assert.deepEqual(await shown(other), await shown(page));
  await close(page);
  await close(other);
});

test("what takes long can be seen and stopped", async () => {
  const page = await open("about=nothing");
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (!request.url().endsWith("/FlameGraph")) void request.continue(); // that one is never answered
  });
  await page.goto(`${base}/?${CHECKOUT}&${DAY}`);
  await page.waitForFunction(() =>
    /Asking for .*the flame graph/.test(document.querySelector(".progress.shown")?.textContent ?? ""),
  );
  await press(page, "Cancel");
  await page.waitForFunction(() =>
    document.querySelector(".message.error")?.textContent.includes("Cancelled"),
  );
  assert.ok((await texts(page, ".top tbody tr")).length > 10, "the table that came before is still there");
  await close(page);
});

test("every download is there", async () => {
  const page = await open(`${CHECKOUT}&from=now-5h&to=now&base_from=now-10h&base_to=now-5h`);
  await page.waitForSelector(".downloads a");
  const links = await page.$$eval(".downloads a", (as) => as.map((a) => a.href));
  assert.ok(links.length >= 9);
  for (const link of links.filter((link) => !link.includes("/speedscope/"))) {
    const answer = await fetch(link);
    assert.equal(answer.status, 200, link);
    assert.ok((await answer.arrayBuffer()).byteLength > 100, link);
  }
  await close(page);
});

test("speedscope opens the selection", async () => {
  const page = await open(`${CHECKOUT}&${DAY}`);
  await page.waitForSelector(".downloads a");
  const link = (await page.$$eval(".downloads a", (as) => as.map((a) => a.href))).find((href) =>
    href.includes("/speedscope/"),
  );
  // It tries WebAssembly for Java's recordings and WebGL, and complains when it cannot have them.
  page.removeAllListeners("console").removeAllListeners("pageerror");
  await page.goto(link);
  await page.waitForFunction(
    () =>
      /Time Order/.test(document.body.textContent) && !document.body.textContent.includes("Loading"),
  );
  await page.waitForSelector("canvas");
  await page.screenshot({ path: join(SCREENSHOTS, "speedscope.png") });
  await close(page);
});

test("labels are offered and narrow the selection", async () => {
  const page = await open(`${CHECKOUT}&${DAY}`);
  await press(page, "+ label");
  await page.waitForSelector("[aria-label='Label'] option");
  await page.select("[aria-label='Label']", "version");
  await page.waitForSelector("#label-values option[value='1.5.0']");
  await page.type("[aria-label='Value']", "1.5.0\n");
  await page.waitForFunction(
    () =>
      new URL(location.href).searchParams.get("selector") === '{service_name="checkout", version="1.5.0"}',
  );
  await page.waitForSelector(FLAME);
  await close(page);
});

test("an address that makes no sense says why, and so does the collector", async () => {
  const page = await open("from=yesterday");
  await page.waitForFunction(() => document.querySelector(".error")?.textContent.includes("from=yesterday"));
  await page.goto(`${base}/?selector=${encodeURIComponent("{service_name")}&${DAY}`);
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".error")].some((e) => e.textContent.includes("a selector looks like")),
  );
  await page.goto(`${base}/?${CHECKOUT}&${DAY}&focus=nowhere`);
  await page.waitForFunction(() =>
    document.querySelector(".message")?.textContent.includes("after focus and ignore"),
  );
  // The refused question is an error of the console's network log.
  complaints.splice(
    0,
    complaints.length,
    ...complaints.filter((complaint) => !complaint.includes("400 (Bad Request)")),
  );
  await close(page);
});

test("50,000 nodes scroll and zoom", async () => {
  const page = await open(`selector=${encodeURIComponent('{service_name="deep"}')}&${DAY}&view=flame`);
  await page.waitForSelector(FLAME);
  await settled(page);
  const result = await page.$eval(".flame .scroller", async (scroller) => {
    const { flame } = scroller;
    const frame = () => new Promise(requestAnimationFrame);
    const measure = async (step) => {
      const start = performance.now();
      let drawing = 0;
      const draw = flame.drawNow.bind(flame);
      flame.drawNow = (now) => {
        const before = performance.now();
        draw(now);
        drawing += performance.now() - before;
      };
      for (let i = 0; i < 60; ++i) {
        step(i);
        await frame();
      }
      delete flame.drawNow;
      return { perSecond: 60_000 / (performance.now() - start), drawMs: drawing / 60 };
    };
    const total = flame.model.weight[0];
    const begin = performance.now();
    flame.setModel(flame.model);
    const layoutMs = performance.now() - begin;
    return {
      nodes: flame.model.parent.length,
      layoutMs,
      scroll: await measure((i) => (scroller.scrollTop = i * 12)),
      zoom: await measure((i) => flame.show((total * i) / 240, total * 0.97 ** i)),
    };
  });
  const text = ({ perSecond, drawMs }) =>
    `${perSecond.toFixed(0)} frames/s, ${drawMs.toFixed(1)} ms each to draw`;
  console.log(
    `${result.nodes} nodes: layout ${result.layoutMs.toFixed(1)} ms; scroll ${text(result.scroll)}; zoom ${text(result.zoom)}`,
  );
  assert.ok(result.nodes > 49_000);
  await picture(page, "deep");
  await close(page);
});

for (const theme of ["light", "dark"]) {
  test(`no serious fault of accessibility in ${theme} colours, wide and narrow`, async () => {
    for (const [name, address, ready] of [
      ["services", DAY, ".services tbody tr"],
      ["profile", `${CHECKOUT}&${DAY}&function=encoding%2Fjson.Marshal`, FLAME],
    ]) {
      for (const width of [1440, 480]) {
        const page = await open(address, { theme, width });
        await page.waitForSelector(ready);
        await settled(page);
        await picture(page, `${name}-${theme}-${width}`);
        await assertAccessible(page);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${name} is ${overflow} pixels wider than ${width}`);
        await close(page);
      }
    }
  });
}

test("the console has nothing to say", () => assert.deepEqual(complaints, []));
