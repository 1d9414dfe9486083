import assert from "node:assert/strict";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import {
  DiffIndex,
  DirIndex,
  MemoryStorage,
  Repository,
  Walker,
} from "../../mod.ts";
import { codecFor } from "../../lib/archive/mod.ts";
import { compressTree } from "../../lib/archive/compress_tree.ts";
import { chunks, collect, concat } from "../../lib/bytes/source.ts";
import { withTemp } from "../support/temp.ts";

// The examples of docs/FORMAT.md. With UPDATE=1, this test writes them again;
// read them afterwards.
const PAGE = join(dirname(import.meta.dirname!), "../docs/FORMAT.md");

/** Matches an example on the page: the name of the format, then its lines. */
const EXAMPLE = /(\n#### `(deltar-[a-z-]+)`\n[^]*?```ndjson\n)([^]*?)(?=```)/g;

/** The fields whose texts are words of the format. */
const WORDS = new Set([
  "format",
  "kind",
  "form",
  "change",
  "codec",
  "skipped",
  "reason",
  "ignoreFile",
]);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Returns the form of a value without its names, sizes and checksums. */
function shape(value: Json, key = ""): Json {
  if (Array.isArray(value)) {
    const shapes = new Set(value.map((one) => JSON.stringify(shape(one))));
    return [...shapes].sort();
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.keys(value).sort().map((name) => [name, shape(value[name], name)]),
    );
  }
  return WORDS.has(key) || key === "version" ? value : typeof value;
}

/**
 * Returns the forms of the lines of a listing. Equal forms are returned once.
 */
function shapes(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  return [
    ...new Set(lines.map((line) => JSON.stringify(shape(JSON.parse(line))))),
  ];
}

/**
 * A storage that keeps the last object of each kind, even if it was deleted.
 */
class Recording extends MemoryStorage {
  readonly all = new Map<string, Uint8Array>();

  override async put(...args: Parameters<MemoryStorage["put"]>): Promise<void> {
    const parts: Uint8Array[] = [];
    // A chunk is valid only until the next one is requested.
    for await (const part of chunks(args[1])) parts.push(part.slice());
    const bytes = concat(parts);
    await super.put(args[0], bytes, args[2]);
    this.all.set(args[0], bytes);
  }
}

/** Returns a listing of each format, from a repository and archives. */
async function listings(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const decoder = new TextDecoder();
  const add = (bytes: Uint8Array) => {
    const text = decoder.decode(bytes);
    const { format } = JSON.parse(text.slice(0, text.indexOf("\n")));
    found.set(format, text);
  };
  await withTemp(async (folder) => {
    const root = join(folder, "project");
    mkdirSync(join(root, "src"), { recursive: true });
    const noise = crypto.getRandomValues(new Uint8Array(30_000));
    writeFileSync(join(root, "README"), "Hello.\n");
    for (const name of ["a.ts", "b.ts", "c.ts"]) {
      writeFileSync(join(root, "src", name), `// ${name}\n`);
    }
    writeFileSync(join(root, "old name"), noise);
    writeFileSync(join(root, "src/log"), noise.subarray(0, 20_000));
    // The file is larger than a frame, so the other files are in separate
    // frames.
    for (let part = 0; part < 60; part++) {
      const more = crypto.getRandomValues(new Uint8Array(50_000));
      appendFileSync(join(root, "video"), more);
    }
    symlinkSync("src", join(root, "link"));
    linkSync(join(root, "README"), join(root, "src/readme"));
    const storage = new Recording();
    const repository = await Repository.create(storage);
    // Not every runtime can read extended attributes.
    const walker = () =>
      new Walker(root, { excludes: ["*.tmp"], xattrs: false });
    const before = await DirIndex.of(walker());
    const first = await repository.snapshot(walker());
    renameSync(join(root, "old name"), join(root, "new name"));
    for (const name of ["link", "video"]) rmSync(join(root, name));
    appendFileSync(join(root, "src/log"), "one line more\n");
    writeFileSync(join(root, "a.tmp"), "");
    const second = await repository.snapshot(walker(), { label: "evening" });
    await repository.label(second.record, "before the release");
    await repository.drill();
    await repository.setMaxSize(20e9);
    await repository.forget(first.record.id);
    add(storage.all.get(`removed/${first.record.id}.json`)!);
    // These objects remain after an interrupted run.
    const [volume] = [...storage.all.keys()].filter((name) =>
      name.startsWith("volumes/")
    );
    await storage.put(
      "volumes/20250101T000000Z-000000.vol0.tar.zst",
      storage.all.get(volume)!,
    );
    await repository.prune({ last: 1 });
    const marks = [...storage.all.keys()].filter((name) =>
      name.startsWith("garbage/")
    );
    add(storage.all.get(marks.at(-1)!)!);
    const prune = { grace: 0, repackBelow: 1, patience: 4 };
    await repository.prune({ last: 1 }, prune);
    const isOfSecond = (name: string) =>
      name.slice(name.indexOf("/") + 1).startsWith(second.record.id);
    for (const [name, bytes] of storage.all) {
      const [kind] = name.split("/");
      if (kind === "running" && !isOfSecond(name)) continue;
      if (kind === "checkpoints" && isOfSecond(name)) {
        const codec = codecFor("zstd");
        add(await codec.decompressBlock(bytes, 1 << 20, { object: name }));
      } else if (
        name.endsWith(".json") && kind !== "removed" && kind !== "garbage"
      ) add(bytes);
    }
    const [, layer] = second.record.layers;
    assert.ok(
      layer !== undefined,
      "the second snapshot has a layer of its own",
    );
    const parts = codecFor("zstd").decompress(
      (async function* () {
        yield await Promise.resolve(storage.all.get(layer.name)!);
      })(),
      { object: layer.name },
    );
    add(await collect(parts));
    add(storage.all.get(`snapshots/${second.record.id}.json`)!);
    const after = await DirIndex.of(walker());
    add(before.encode());
    add(DiffIndex.compute(after, before).encode());
    const archive = new MemoryStorage();
    await compressTree(walker(), archive, "backup", {});
    add(await collect(archive.get("backup.index.ndjson")));
  });
  return found;
}

/** Returns a listing as the page shows it, with shortened checksums. */
function shown(text: string): string {
  const cut = text.replaceAll(
    /"([0-9a-f]{8})[0-9a-f]{56}"/g,
    '"$1…"',
  ).replaceAll(/"([\w+/]{24})[\w+/=]{24,}"/g, '"$1…"')
    .replaceAll(/\/tmp\/deltar-test-\w+/g, "/home/me")
    .replaceAll(CREATED, "")
    .replaceAll(/("record":"(?:[^"\\]|\\.){40})(?:[^"\\]|\\.)*"/g, '$1…"');
  return cut;
}

/** Matches a creation time, which not every file system records. */
const CREATED = /,"btime":"[^"]*"/g;
const OWNERS = /("owners":\{"users":\{)[^}]*(\},"groups":\{)[^}]*/g;

test("docs/FORMAT.md has an example of each listing, in the written form [F4]", async () => {
  const found = await listings();
  let page = readFileSync(PAGE, "utf8");
  if (process.env.UPDATE) {
    page = page.replaceAll(
      EXAMPLE,
      (_, head: string, format: string) =>
        head + shown(found.get(format) ?? ""),
    );
    writeFileSync(PAGE, page);
  }
  const examples = new Map(
    [...page.matchAll(EXAMPLE)].map(([, , format, lines]) => [format, lines]),
  );
  assert.deepEqual([...examples.keys()].sort(), [...found.keys()].sort());
  for (const [format, text] of found) {
    // The fields of `owners` are the numbers of the user who runs the test.
    const asRoot = text.replace(OWNERS, '$1"0":"root"$2"0":"root"')
      .replaceAll(CREATED, "");
    assert.deepEqual(shapes(examples.get(format)!), shapes(asRoot), format);
  }
});
