import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { collect } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { MemorySink } from "./fakes.ts";
import { noise } from "./helpers.ts";
import { has, run, withFolder } from "./peers.ts";

const LONG = `${"l".repeat(120)}/${"n".repeat(150)}`;
const VERY_LONG = `${"folder/".repeat(60)}${"f".repeat(200)}`;

/**
 * Creates a tree that is difficult to archive. With `long`, its names do not
 * fit into ustar headers.
 */
function plant(root: string, long: boolean): string[] {
  const files = ["plain", "-dash", "new\nline", "ü\u{1F600}", "sub/e\u0301"];
  if (long) files.push(LONG, VERY_LONG);
  for (const [n, path] of files.entries()) {
    const place = join(root, path);
    mkdirSync(join(place, ".."), { recursive: true });
    writeFileSync(place, noise(n * 600, n + 1));
    chmodSync(place, 0o640);
    utimesSync(place, 1_600_000_000 + n, 1_600_000_000 + n);
  }
  linkSync(join(root, "plain"), join(root, "twin"));
  symlinkSync("plain", join(root, "link"));
  if (long) symlinkSync("t".repeat(200), join(root, "longlink"));
  mkdirSync(join(root, "empty"));
  return files;
}

/** Reads a whole archive and compares it with the tree that was archived. */
async function compare(
  archive: string,
  root: string,
  files: string[],
  prefix: string,
): Promise<void> {
  const storage = new MemoryStorage();
  await storage.put("archive", new Uint8Array(readFileSync(archive)));
  const opened = TarVolume.fromVolumes(storage, ["archive"]);
  const sink = new MemorySink();
  await opened.extractAll(sink);
  const contents = new Map<string, Uint8Array>();
  for (const [path, entry] of sink.entries) {
    if (entry.content) contents.set(path, entry.content);
  }
  for (const path of files) {
    const place = join(root, path);
    const entry = sink.entries.get(prefix + path);
    assert.ok(entry, `${archive} has no ${path}`);
    const content = entry.kind === "hardlink"
      ? contents.get(entry.target!)
      : entry.content;
    assert.ok(readFileSync(place).equals(content!), path);
    const stat = lstatSync(place, { bigint: true });
    assert.equal(entry.metadata.mode, Number(stat.mode & 0o7777n));
    const second = 1_000_000_000n;
    assert.equal(entry.metadata.mtime / second, stat.mtimeNs / second);
    const found = await collect(opened.extractFile(prefix + path));
    assert.ok(readFileSync(place).equals(found));
  }
  const twins = [prefix + "plain", prefix + "twin"]
    .map((path) => sink.entries.get(path)!);
  assert.deepEqual(twins.map(({ kind }) => kind).sort(), ["file", "hardlink"]);
  assert.equal(sink.entries.get(prefix + "link")!.target, "plain");
  assert.equal(sink.entries.get(prefix + "empty")!.kind, "directory");
  const longLink = sink.entries.get(prefix + "longlink");
  if (longLink) assert.equal(longLink.target, "t".repeat(200));
}

for (
  const [command, formats, shortFormats] of [
    ["tar", ["gnu", "pax"], ["ustar", "v7", "oldgnu"]],
    ["bsdtar", ["pax", "gnutar"], ["ustar", "v7"]],
  ] as const
) {
  for (const format of [...formats, ...shortFormats]) {
    test(`archives of ${command} in the format ${format} are read`, async (context) => {
      if (!has(context, command)) return;
      await withFolder(async (folder) => {
        const root = join(folder, "tree");
        mkdirSync(root);
        const long = (formats as readonly string[]).includes(format);
        const files = plant(root, long);
        const archive = join(folder, "archive");
        run(command, [`--format=${format}`, "-cf", archive, "-C", root, "."]);
        await compare(archive, root, files, "");
      });
    });
  }

  for (const flag of ["-z", "--zstd"]) {
    test(`archives of ${command} ${flag} are read`, async (context) => {
      if (!has(context, command) || (flag !== "-z" && !has(context, "zstd"))) {
        return;
      }
      await withFolder(async (folder) => {
        const root = join(folder, "tree");
        mkdirSync(root);
        const files = plant(root, true);
        const archive = join(folder, "archive");
        run(command, [
          flag,
          "--format=pax",
          "-cf",
          archive,
          "-C",
          folder,
          "tree",
        ]);
        await compare(archive, root, files, "tree/");
      });
    });
  }
}

test("a package that npm packed is read", async (context) => {
  if (!has(context, "npm")) return;
  await withFolder(async (folder) => {
    const manifest = JSON.stringify({ name: "sample", version: "1.0.0" });
    writeFileSync(join(folder, "package.json"), manifest);
    mkdirSync(join(folder, "lib"));
    writeFileSync(join(folder, "lib/ü.js"), "1;\n");
    run("npm", ["pack", "--offline", "--ignore-scripts"], folder);
    const storage = new MemoryStorage();
    const packed = readFileSync(join(folder, "sample-1.0.0.tgz"));
    await storage.put("archive", new Uint8Array(packed));
    const opened = TarVolume.fromVolumes(storage, ["archive"]);
    const sink = new MemorySink();
    await opened.extractAll(sink);
    assert.deepEqual(
      [...sink.entries].map(([path, { content }]) => [
        path,
        new TextDecoder().decode(content),
      ]).sort(),
      [["package/lib/ü.js", "1;\n"], ["package/package.json", manifest]],
    );
  });
});
