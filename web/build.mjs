// node build.mjs OUTPUT: bundles src into a C++ source that has the page's files, compressed, and
// their hashes. Run beside node_modules, with src linked there.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const [output] = process.argv.slice(2);

const result = await build({
  entryPoints: { main: "src/main.tsx" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "inline",
  preserveSymlinks: true,
  outdir: "bundle",
  write: false,
  logLevel: "warning",
});

const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  woff2: "font/woff2",
  png: "image/png",
};

// As it was published, without its sample profile and what only Java's recordings need.
const SPEEDSCOPE = "node_modules/speedscope/dist/release";
const speedscope = readdirSync(SPEEDSCOPE)
  .filter((name) => /^(index\.html|speedscope-\w+\.(js|css)|.*\.woff2|favicon-.*\.png)$/.test(name))
  .map((name) => ({
    path: `/speedscope/${name === "index.html" ? "" : name}`,
    name,
    bytes: readFileSync(`${SPEEDSCOPE}/${name}`),
  }));

const licenses = [
  "preact/LICENSE",
  "uplot/LICENSE",
  "speedscope/LICENSE",
  "speedscope/dist/release/source-code-pro.LICENSE.md",
].map((name) => `${name}\n\n${readFileSync(`node_modules/${name}`, "utf8")}`);

const files = [
  { path: "/", name: "index.html", bytes: readFileSync("src/index.html") },
  ...result.outputFiles.map((file) => {
    const name = file.path.split("/").pop();
    return { path: `/page/${name}`, name, bytes: Buffer.from(file.contents) };
  }),
  { path: "/page/licenses.txt", name: "licenses.txt", bytes: Buffer.from(licenses.join("\n\n")) },
  ...speedscope,
];

let source = `// Made by web/build.mjs.\n#include "web/page_files.h"\n\nnamespace pilotlight {\nnamespace {\n`;
let table = "";
let total = 0;
files.forEach(({ path, name, bytes }, i) => {
  const compressed = gzipSync(bytes, { level: 9 });
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const type = TYPES[name.split(".").pop()];
  source += `constexpr unsigned char kFile${i}[] = {${[...compressed].join(",")}};\n`;
  table += `      {"${path}", "${type}", "\\"${hash}\\"",\n       absl::string_view(reinterpret_cast<const char*>(kFile${i}), sizeof(kFile${i}))},\n`;
  total += compressed.length;
});
if (total > 1.5 * 2 ** 20) throw new Error(`the page has ${total} bytes compressed, more than 1.5 MiB`);
console.log(`${files.length} files, ${total} bytes compressed`);
source += `}  // namespace\n\nabsl::Span<const PageFile> PageFiles() {\n  static const PageFile kFiles[] = {\n${table}  };\n  return kFiles;\n}\n\n}  // namespace pilotlight\n`;
writeFileSync(output, source);
