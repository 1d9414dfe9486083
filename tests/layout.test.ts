import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

/** The rooms of the house; each may import from those before it. */
const LAYERS = [
  "bytes",
  "age",
  "ssh",
  "delta",
  "storage",
  "tree",
  "archive",
  "repository",
];

/**
 * The rooms of `lib/repository`; each may import from those before it. A file at
 * the top is a room of its own.
 */
const REPOSITORY_ROOMS = [
  "format",
  "runs",
  "layers",
  "content",
  "store",
  "search",
  "snapshot",
  "prune",
  "rekey",
  "restore",
  "verify",
  "repair",
  "purge",
  "drill",
  "stats",
  "export",
  "copy.ts",
  "mirror.ts",
  "with_cache.ts",
  "repository_name.ts",
  "repository.ts",
  "mod.ts",
];

/**
 * The rooms of the extension host's thread; each may import from those before
 * it. A file at the top is a room of its own.
 */
const HOST_ROOMS = [
  "engine.ts",
  "settings.ts",
  "ui",
  "folders",
  "encryption",
  "snapshots",
  "views",
  "commands",
  "api",
  "extension.ts",
];

/** Only these know a file system, or a system at all. */
const WITH_FILES =
  /^lib\/(?:tree\/|storage\/(?:local(?:_\w+)?|temporary)\.ts$)/;
/** These know paths of the system. */
const WITH_PATHS = /^lib\/archive\/(?:apply_diff|archive_file)\.ts$/;

const root = dirname(import.meta.dirname!);

interface Import {
  file: string;
  target: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return sources(path);
      return entry.name.endsWith(".ts") ? [path] : [];
    });
}

/** Returns the imports of a file, without examples in comments. */
function importsOf(file: string): Import[] {
  const code = readFileSync(join(root, file), "utf8")
    .replaceAll(/\/\*[\s\S]*?\*\//g, "");
  const found = code.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)"([^"\n]+)"/g);
  return [...found].map(([, target]) => ({
    file,
    target: target.startsWith(".")
      ? relative(root, join(root, dirname(file), target)).replaceAll("\\", "/")
      : target,
  }));
}

test("imports in lib/ go one way", () => {
  const all = sources("lib").flatMap(importsOf);
  assert.ok(all.length > 100);
  for (const { file, target } of all) {
    if (!target.startsWith("lib/")) continue;
    const [from, to] = [file, target].map((path) => path.split("/")[1]);
    if (to === "version.ts") continue;
    assert.ok(LAYERS.includes(from), `${file} lies in no layer`);
    assert.ok(
      LAYERS.indexOf(to) <= LAYERS.indexOf(from),
      `${file} imports ${target}, which lies above it`,
    );
  }
});

test("imports in lib/repository go one way, types included", () => {
  assertOrder("lib/repository", REPOSITORY_ROOMS);
});

test("imports in the extension host's thread go one way, types included", () => {
  assertOrder("extension/src/host", HOST_ROOMS);
});

/** Asserts that each room in a folder imports only from those before it. */
function assertOrder(folder: string, rooms: readonly string[]): void {
  const all = sources(folder).flatMap(importsOf);
  assert.ok(all.length > 50);
  for (const { file, target } of all) {
    if (!target.startsWith(`${folder}/`)) continue;
    const [from, to] = [file, target].map((path) =>
      path.slice(folder.length + 1).split("/")[0]
    );
    assert.ok(rooms.includes(from), `${file} lies in no room`);
    assert.ok(
      rooms.indexOf(to) <= rooms.indexOf(from),
      `${file} imports ${target}, which lies above it`,
    );
  }
}

test("each thread of the extension imports itself and what both share", () => {
  const threads = ["host", "worker", "shared"];
  for (const { file, target } of sources("extension/src").flatMap(importsOf)) {
    const thread = file.split("/")[2];
    assert.ok(threads.includes(thread), `${file} lies in no thread`);
    const to = /^extension\/src\/(\w+)/.exec(target)?.[1];
    assert.ok(
      to === undefined || to === thread || to === "shared",
      `${file} imports ${target}`,
    );
    if (target === "vscode") assert.equal(thread, "host", file);
  }
});

test("only the worker of the extension loads the library", () => {
  for (const thread of ["host", "shared"]) {
    for (const file of sources(`extension/src/${thread}`)) {
      for (const target of valueImports(file)) {
        // The name of a folder's repository, which needs no other module.
        if (target === "lib/repository/repository_name.ts") continue;
        assert.doesNotMatch(target, /^(?:lib\/|mod\.ts$)/, file);
      }
    }
  }
});

test("lib/ imports nothing from above it", () => {
  for (const { file, target } of sources("lib").flatMap(importsOf)) {
    const isOurs =
      !/^(?:node:|npm:|@noble\/(?:ciphers|hashes)|age-encryption$|@rgrove\/parse-xml$|aws4fetch$|fzstd$|ignore$)/
        .test(target);
    assert.ok(
      !isOurs || target.startsWith("lib/"),
      `${file} imports ${target}`,
    );
  }
});

test("only the tree and the local storage know a file system", () => {
  for (const { file, target } of sources("lib").flatMap(importsOf)) {
    if (target !== "lib/bytes/node.ts" || WITH_PATHS.test(file)) continue;
    assert.match(file, WITH_FILES);
  }
});

test("nothing in lib/ needs a runtime's modules to be loaded", () => {
  for (const file of sources("lib")) {
    // The conformance suite is loaded by test files only.
    if (file === "lib/storage/conformance.ts") continue;
    const code = readFileSync(join(root, file), "utf8")
      .replaceAll(/\/\*[\s\S]*?\*\//g, "")
      .replaceAll(/import type [^;]*;/g, "");
    assert.doesNotMatch(code, /\bfrom\s+"node:/, file);
  }
});

test("the command uses the library by its public names", () => {
  for (const { file, target } of sources("cli").flatMap(importsOf)) {
    // What every start loads is only the number of the version.
    if (file.startsWith("cli/rdiff") || target === "lib/version.ts") continue;
    const isInside = target.startsWith("lib/") &&
      !/^lib\/[a-z]+\/mod\.ts$/.test(target);
    assert.ok(!isInside, `${file} imports ${target}`);
  }
});

test("shared/ imports nothing from other folders", () => {
  for (const { file, target } of sources("shared").flatMap(importsOf)) {
    assert.match(target, /^(?:node:|shared\/|diff$)/, file);
  }
});

test("no module of lib/ imports itself by a circle of values", () => {
  assertNoCircle(sources("lib"), valueImports);
});

test("no module of cli/ or extension/ imports itself by a circle", () => {
  const files = ["cli", "shared", "extension/src"].flatMap(sources);
  assertNoCircle(files, (file) => importsOf(file).map(({ target }) => target));
});

/** Asserts that no file leads back to itself by imports. */
function assertNoCircle(
  files: readonly string[],
  imported: (file: string) => string[],
): void {
  const graph = new Map(files.map((file) => [file, imported(file)]));
  const done = new Set<string>();
  const visit = (file: string, above: string[]) => {
    assert.ok(!above.includes(file), [...above, file].join(" -> "));
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...above, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
}

/** The files that one needs at run time: types do not count. */
function valueImports(file: string): string[] {
  const code = readFileSync(join(root, file), "utf8")
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/(?:import|export) type [^;]*;/g, "");
  return [...code.matchAll(/\bfrom\s+"(\.[^"\n]+)"/g)].map(([, target]) =>
    relative(root, join(root, dirname(file), target)).replaceAll("\\", "/")
  );
}

test("the overview names files that are there, and so do the heads of rooms", () => {
  const page = readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8");
  const [picture] = page.split("\n## ", 1);
  const named = [...picture.matchAll(/\b(?:cli|[a-z]+)\/[a-z_/]+\.ts/g)]
    .map(([path]) => path.startsWith("cli/") ? path : `lib/${path}`);
  named.push(...[...page.matchAll(/`((?:lib|tests|cli)\/[\w/.]+\.ts)`/g)]
    .map(([, path]) => path));
  assert.ok(named.length > 50);
  for (const path of named) assert.ok(existsSync(join(root, path)), path);
  for (const file of sources("lib")) {
    const [head] = readFileSync(join(root, file), "utf8").split("*/", 1);
    if (!head.startsWith("/**") || !head.includes("@module")) continue;
    for (const [, path] of head.matchAll(/`((?:\.\.\/)?[\w/]+\.ts)`/g)) {
      const at = join(root, dirname(file), path);
      assert.ok(existsSync(at), `${file} names ${path}`);
    }
  }
});
