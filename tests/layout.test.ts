import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

/** The folders of lib/. Each may import only from those before it. */
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
 * The folders of `lib/repository`. Each may import only from those before it. A
 * file at the top counts as a folder.
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
 * The folders of the code of the extension host. Each may import only from
 * those before it. A file at the top counts as a folder.
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

/** Matches the only files that use the file system or the operating system. */
const WITH_FILES =
  /^lib\/(?:tree\/|storage\/(?:local(?:_\w+)?|temporary)\.ts$)/;
/** Matches files that use paths of the system. */
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

test("imports in lib/ have one direction", () => {
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

test("imports in lib/repository have one direction, including types", () => {
  assertOrder("lib/repository", REPOSITORY_ROOMS);
});

test("imports in the extension host's code have one direction, including types", () => {
  assertOrder("extension/src/host", HOST_ROOMS);
});

/** Asserts that each folder in a folder imports only from those before it. */
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

test("each thread of the extension imports only its own code and the shared code", () => {
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
        // This module returns the name of a repository, and imports no other
        // module.
        if (target === "lib/repository/repository_name.ts") continue;
        assert.doesNotMatch(target, /^(?:lib\/|mod\.ts$)/, file);
      }
    }
  }
});

test("lib/ imports nothing from folders outside of it", () => {
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

test("only lib/tree and the local storage use a file system", () => {
  for (const { file, target } of sources("lib").flatMap(importsOf)) {
    if (target !== "lib/bytes/node.ts" || WITH_PATHS.test(file)) continue;
    assert.match(file, WITH_FILES);
  }
});

test("every module of lib/ can be loaded without the modules of a runtime", () => {
  for (const file of sources("lib")) {
    // Only test files load the conformance suite.
    if (file === "lib/storage/conformance.ts") continue;
    const code = readFileSync(join(root, file), "utf8")
      .replaceAll(/\/\*[\s\S]*?\*\//g, "")
      .replaceAll(/import type [^;]*;/g, "");
    assert.doesNotMatch(code, /\bfrom\s+"node:/, file);
  }
});

test("the command uses only the public names of the library", () => {
  for (const { file, target } of sources("cli").flatMap(importsOf)) {
    // Every start loads only the number of the version.
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

test("no module of lib/ imports itself through a circle of values", () => {
  assertNoCircle(sources("lib"), valueImports);
});

test("no module of cli/ or extension/ imports itself through a circle", () => {
  const files = ["cli", "shared", "extension/src"].flatMap(sources);
  assertNoCircle(files, (file) => importsOf(file).map(({ target }) => target));
});

/** Asserts that no file imports itself through other files. */
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

/** Returns the files that a file imports at run time, without types. */
function valueImports(file: string): string[] {
  const code = readFileSync(join(root, file), "utf8")
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/(?:import|export) type [^;]*;/g, "");
  return [...code.matchAll(/\bfrom\s+"(\.[^"\n]+)"/g)].map(([, target]) =>
    relative(root, join(root, dirname(file), target)).replaceAll("\\", "/")
  );
}

test("the overview and the heads of folders name existing files", () => {
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
