// node test.mjs: bundles and runs the tests of src/model.
import { readdirSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const tests = readdirSync("src/model").filter((name) => name.endsWith(".test.ts"));
await build({
  entryPoints: tests.map((name) => `src/model/${name}`),
  bundle: true,
  format: "esm",
  platform: "node",
  outdir: "tests",
  outExtension: { ".js": ".mjs" },
  preserveSymlinks: true,
  logLevel: "warning",
});
const { status } = spawnSync(
  process.execPath,
  ["--test", ...tests.map((name) => `tests/${name.replace(/ts$/, "mjs")}`)],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
