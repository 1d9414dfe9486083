import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The forms that docs/STYLE.md does not allow, in sources and pages. */
const FORMS: readonly RegExp[] = [
  /\b(?:that|which) is none\b/i,
  /\b(?:be|been) had\b/i,
  /\bwho (?:asks?|wants?|dies|stops?|restores?|reads?|comes)\b/i,
  /\b(?:it|what|which) is no (?:array|directory|file|folder|list|number|object|text)\b/i,
  /\bso many\b/i,
  /\banew\b/i,
];

/** The forms that pages do not use. */
const PAGE_FORMS: readonly RegExp[] = [
  /\bheld against\b/i,
  /\b(?:left|leaves?) out\b/i,
  /\bin good order\b/i,
];

/** The forms that messages and pages do not use. */
const MESSAGE_FORMS: readonly RegExp[] = [
  /["`](?:it|its|they|their) [a-z]/,
  /\bleft as they were\b/i,
  /\bholds? (?:it|the agent) up\b/i,
];

/** The folders whose docstrings begin with the noun itself. */
const NAMED = ["cli", "shared", "lib"];

/**
 * Matches openings with a pronoun whose noun the reader would have to look for.
 */
const PRONOUNS = /\/\*\*\s+(?:\* )?(?:Its|It|Those|They|Where|When) /g;

/** Matches openings that no docstring has. */
const OPENINGS = /\/\*\*\s+(?:\* )?(?:Has|How|Told|What|Who) /g;

/** Returns the files below a folder whose names have the given end. */
function filesIn(folder: string, end: string): string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => `${folder}/${name}`.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(end) && !name.includes("node_modules"));
}

const sources = ["lib", "cli", "shared", "extension/src"]
  .flatMap((folder) => filesIn(folder, ".ts"));
const pages = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  ...filesIn("docs", ".md").filter((name) => name !== "docs/STYLE.md"),
];

/** Returns the matches of a pattern in a file, as `file:line: text`. */
function matches(name: string, pattern: RegExp): string[] {
  const text = readFileSync(join(root, name), "utf8");
  return Array.from(text.matchAll(new RegExp(pattern, "gi")), ({ index }) => {
    const line = text.slice(0, index).split("\n").length;
    return `${name}:${line}: ${text.slice(index).split("\n", 1)[0]}`;
  });
}

test("sources and pages have none of the forms that the style excludes", () => {
  const found = [...sources, ...pages].flatMap((name) =>
    FORMS.flatMap((form) => matches(name, form))
  );
  assert.deepEqual(found, []);
});

test("docstrings begin with a verb or a noun", () => {
  const others = ["tests", "bench", "tasks"]
    .flatMap((folder) => filesIn(folder, ".ts"))
    .filter((name) => !name.startsWith("tests/frozen/2abdc44/"));
  const found = [...sources, ...others].flatMap((name) =>
    matches(name, OPENINGS)
  );
  assert.deepEqual(found, []);
});

test("docstrings, pages and messages name their subject", () => {
  const named = NAMED.flatMap((folder) => filesIn(folder, ".ts"));
  const found = [
    ...named.flatMap((name) => matches(name, PRONOUNS)),
    ...pages.flatMap((name) =>
      PAGE_FORMS.flatMap((form) => matches(name, form))
    ),
    ...sources.flatMap((name) =>
      MESSAGE_FORMS.flatMap((form) => matches(name, form))
    ),
  ];
  assert.deepEqual(found, []);
});
