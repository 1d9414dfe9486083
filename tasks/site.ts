/**
 * Builds the documentation as a static site, `dist/site`. `marked` renders the
 * Markdown pages, and `deno doc` renders the public API.
 *
 * @module
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, posix } from "node:path";
import process from "node:process";
import { Marked } from "marked";
import config from "../deno.json" with { type: "json" };
import { run } from "./run.ts";
import { deno } from "./runtimes.ts";

const OUT = "dist/site";

/** The listed pages of each group of the menu, in the order of the menu. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  "": ["README.md", "docs/TUTORIAL.md"],
  "How to": [
    "docs/how-to/install.md",
    "docs/how-to/laptop.md",
    "docs/how-to/s3.md",
    "docs/how-to/encryption.md",
    "docs/how-to/vscode.md",
    "docs/how-to/agents.md",
    "docs/how-to/library.md",
    "docs/how-to/moving.md",
  ],
  Reference: [
    "docs/COMMAND.md",
    "docs/STORAGE.md",
    "docs/JSON.md",
    "extension/README.md",
    "docs/FORMAT.md",
    "docs/RECOVERY.md",
  ],
  Explanation: ["docs/DESIGN.md", "docs/ARCHITECTURE.md"],
  Project: [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/STYLE.md",
    "docs/GLOSSARY.md",
    "docs/CASES.md",
    "SECURITY.md",
  ],
};
const GROUPED = Object.values(GROUPS).flat();
const MENU: Readonly<Record<string, readonly string[]>> = {
  ...GROUPS,
  // The group also contains the pages of `docs/` that `GROUPS` does not list.
  Explanation: [
    ...GROUPS.Explanation,
    ...pagesOf("docs").filter((page) => !GROUPED.includes(page)),
  ],
};
const PAGES = Object.values(MENU).flat();

/** Returns the path of a page's HTML file, relative to the root of the site. */
function placeOf(page: string): string {
  if (page === "README.md") return "index.html";
  return page.replace(/^docs\//, "").replace(/\.md$/, ".html").toLowerCase();
}

function pagesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return pagesOf(path);
    return entry.name.endsWith(".md") ? [path] : [];
  }).sort();
}

function titleOf(page: string): string {
  const title = /^# (.+)$/m.exec(readFileSync(page, "utf8"))?.[1] ?? page;
  return title.replaceAll("`", "");
}

/**
 * Returns the anchor that GitHub gives to a heading. If several headings have
 * the same text, this is the anchor of the first one.
 */
function slug(text: string): string {
  return text.toLowerCase().replaceAll(/<[^>]*>|[^\p{L}\p{N}\s_-]/gu, "")
    .trim().replaceAll(/\s/g, "-");
}

/**
 * Returns the target of a link in a page. For a link to another page of the
 * site, this is the path of that page's HTML file, relative to the HTML file
 * with the link. Any other target is returned unchanged.
 */
function linkFrom(page: string, href: string): string {
  const [, path, rest] = /^([^#?]*)(.*)$/.exec(href)!;
  if (path === "" || /^[a-z]+:/.test(path)) return href;
  const target = posix.join(posix.dirname(page), path);
  if (!PAGES.includes(target)) return href;
  const from = posix.dirname(placeOf(page));
  return posix.relative(from, placeOf(target)) + rest;
}

function render(page: string): string {
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const text = this.parser.parseInline(tokens);
        return `<h${depth} id="${slug(text)}">${text}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        return `<a href="${linkFrom(page, href)}">${text}</a>`;
      },
    },
  });
  const up = posix.relative(posix.dirname(placeOf(page)), ".") || ".";
  const link = (one: string) => {
    const here = one === page ? ' aria-current="page"' : "";
    return `<a href="${
      linkFrom(page, posix.relative(posix.dirname(page), one))
    }"${here}>${titleOf(one)}</a>`;
  };
  const menu = Object.entries(MENU).flatMap(([group, pages]) => [
    ...group === "" ? [] : [`<b>${group}</b>`],
    ...pages.map(link),
    ...group === "Reference"
      ? [`<a href="${up}/api/index.html">The public API</a>`]
      : [],
  ]);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${titleOf(page)}</title>
<link rel="stylesheet" href="${up}/style.css">
<nav id="menu">${menu.join("\n")}</nav>
<main>
<a class="menu" href="#menu">All pages</a>
${marked.parse(readFileSync(page, "utf8"))}
</main>
`;
}

const STYLE = `:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { margin: 0; display: flex; font: 16px/1.6 system-ui, sans-serif; }
nav { flex: 0 0 15rem; box-sizing: border-box; padding: 2rem 1rem; height: 100vh;
  position: sticky; top: 0; overflow: auto; border-right: 1px solid var(--line); }
nav a { display: block; padding: .2rem .6rem; border-radius: .3rem; color: inherit;
  text-decoration: none; }
nav a:hover, nav a[aria-current] { background: var(--soft); }
nav a[aria-current] { font-weight: 600; }
nav a:first-child { font-weight: 700; font-size: 1.2rem; margin-bottom: .6rem; }
nav b { display: block; margin: 1rem .6rem .2rem; font-size: .8rem; opacity: .7; }
.menu { display: none; }
main { min-width: 0; max-width: 50rem; padding: 1rem 2rem 4rem; }
h1, h2, h3 { line-height: 1.25; margin-top: 2em; }
h1 { margin-top: .8em; }
a { color: light-dark(#0b5cad, #79b8ff); }
pre, code { font: .9em/1.5 ui-monospace, monospace; }
pre { padding: .8rem 1rem; overflow: auto; background: var(--soft);
  border-radius: .4rem; }
:not(pre) > code { padding: .1em .3em; background: var(--soft); border-radius: .2rem; }
table { border-collapse: collapse; display: block; overflow: auto; }
th, td { padding: .3rem .7rem; border: 1px solid var(--line); text-align: left;
  vertical-align: top; }
@media (max-width: 50rem) {
  body { flex-direction: column; }
  main { padding: 1rem 1rem 0; }
  nav { order: 1; flex: none; height: auto; position: static;
    border-top: 1px solid var(--line); border-right: 0; }
  .menu { display: block; }
}
`;

/** Writes the site, except for the pages of the API, into a folder. */
export function writePages(out: string): void {
  for (const page of PAGES) {
    const file = join(out, placeOf(page));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, render(page));
  }
  writeFileSync(join(out, "style.css"), STYLE);
  for (const folder of ["docs/charts", "extension/media"]) {
    if (!existsSync(folder)) continue;
    const target = join(out, folder.replace(/^docs\//, ""));
    cpSync(folder, target, { recursive: true });
  }
}

if (import.meta.main) {
  rmSync(OUT, { recursive: true, force: true });
  writePages(OUT);
  const { ok } = await run(
    `${OUT}/api`,
    deno(),
    "doc",
    "--html",
    "--name=deltar",
    `--output=${OUT}/api`,
    ...Object.values(config.exports).filter((file) => file !== "./cli.ts"),
  );
  process.exitCode = ok ? 0 : 1;
}
