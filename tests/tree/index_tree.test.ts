import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import type { FileEntry, Skipped } from "../../lib/tree/entry.ts";
import { type FileFacts, HashReader } from "../../lib/tree/file_reader.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needsHeld, runHeld } from "../support/other_user.ts";
import { needs, run } from "../support/peer.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const worker = fileURLToPath(
  new URL("./unreadable_worker.ts", import.meta.url),
);
const everything = (root: string) => new Walker(root, { excludes: [] });
const LARGE = new Uint8Array(2_500_000).fill(7);

/** Indexes `a`, `b` and `c`. `b` is changed after the walk has found it. */
async function indexWhile(
  content: Uint8Array,
  harm: (place: string, root: string) => void,
): Promise<{ index: DirIndex; skipped: Skipped[]; now: string | undefined }> {
  return await withTemp(async (root) => {
    for (const name of ["a", "b", "c"]) {
      fs.writeFileSync(join(root, name), content);
    }
    const place = join(root, "b");
    const skipped: Skipped[] = [];
    const index = await DirIndex.of(everything(root), {
      onSkip: (skip) => skipped.push(skip),
      // This function is called between the walk and the reading.
      unchanged: ({ path }) => {
        if (path === "b") harm(place, root);
        return false;
      },
    });
    assert.deepEqual(index.skipped, skipped);
    for (const path of ["a", "c"]) {
      assert.equal(index.get(path)?.sha256, toHex(sha256(content)), path);
    }
    const stat = fs.lstatSync(place, { throwIfNoEntry: false });
    const now = stat?.isFile()
      ? toHex(sha256(fs.readFileSync(place)))
      : undefined;
    return { index, skipped, now };
  });
}

const SIZES: [string, Uint8Array][] = [
  ["small", new Uint8Array(5000).fill(7)],
  ["large", LARGE],
];

for (const [size, content] of SIZES) {
  test(`DirIndex.of() with a ${size} file that changes before it is read`, async () => {
    const harms: [string, (place: string) => void][] = [
      ["grows", (place) => fs.appendFileSync(place, "more")],
      ["shrinks", (place) => fs.truncateSync(place, 100)],
      ["is emptied", (place) => fs.truncateSync(place, 0)],
      ["is replaced", (place) => {
        fs.writeFileSync(`${place}.new`, "another");
        fs.renameSync(`${place}.new`, place);
      }],
      ["becomes large", (place) => fs.writeFileSync(place, LARGE)],
    ];
    for (const [what, harm] of harms) {
      const { index, skipped, now } = await indexWhile(content, harm);
      const entry = index.get("b")!;
      // The state at the time of opening is stored, or the file is read again
      // until it no longer changes.
      assert.equal(entry.sha256, now, what);
      assert.deepEqual(skipped, [], what);
    }
  });

  test(`a ${size} file that vanishes or changes its kind is skipped`, async () => {
    const harms: [string, string, (place: string) => void][] = [
      ["goes", "vanished", (place) => fs.rmSync(place)],
      ["becomes a folder", "", (place) => {
        fs.rmSync(place);
        fs.mkdirSync(place);
        fs.writeFileSync(join(place, "x"), "");
      }],
    ];
    if (needsSymlinks.skip === undefined) {
      harms.push(["becomes a link", "unreadable", (place) => {
        fs.rmSync(place);
        fs.symlinkSync("a", place);
      }]);
    }
    for (const [what, reason, harm] of harms) {
      const { index, skipped } = await indexWhile(content, harm);
      assert.deepEqual(index.entries.map(({ path }) => path), ["a", "c"], what);
      assert.equal(skipped.length, 1, what);
      assert.equal(skipped[0].path, "b");
      if (reason !== "") assert.equal(skipped[0].reason, reason, what);
    }
  });

  test(
    `a ${size} file that becomes a pipe does not block`,
    needs("mkfifo"),
    async () => {
      const { index, skipped } = await indexWhile(content, (place) => {
        fs.rmSync(place);
        run("mkfifo", [place]);
      });
      assert.equal(index.get("b"), undefined);
      assert.deepEqual(skipped.map(({ path }) => path), ["b"]);
    },
  );
}

test("a large file is read into the same memory all the time", async () => {
  await withTemp(async (root) => {
    fs.writeFileSync(join(root, "large"), LARGE);
    const seen = new Set<unknown>();
    class Looking extends HashReader {
      override pieces(
        entry: FileEntry,
        open: () => Iterable<Uint8Array>,
      ): Promise<FileFacts> {
        return super.pieces(entry, function* () {
          for (const piece of open()) {
            seen.add(piece.buffer);
            yield piece;
          }
        });
      }
    }
    const index = await DirIndex.of(everything(root), {
      reader: new Looking(),
    });
    assert.equal(index.get("large")?.sha256, toHex(sha256(LARGE)));
    assert.equal(seen.size, 1);
  });
});

test("a file that changes all the time is stored once, and reported", async () => {
  await withTemp(async (root) => {
    fs.writeFileSync(join(root, "large"), LARGE);
    fs.writeFileSync(join(root, "z"), "z");
    class Restless extends HashReader {
      override pieces(
        entry: FileEntry,
        open: () => Iterable<Uint8Array>,
      ): Promise<FileFacts> {
        return super.pieces(entry, function* () {
          for (const piece of open()) {
            yield piece;
            fs.appendFileSync(join(root, "large"), "more");
          }
        });
      }
    }
    const index = await DirIndex.of(everything(root), {
      reader: new Restless(),
    });
    assert.equal(index.get("large")?.size, LARGE.length);
    assert.deepEqual(
      index.skipped.map(({ path, reason }) => `${path} ${reason}`),
      ["large changed"],
    );
    assert.equal(index.get("z")?.size, 1);
  });
});

test("the hard links of a file that could not be stored are reported, too", async () => {
  await withTemp(async (root) => {
    fs.writeFileSync(join(root, "b"), "b");
    fs.linkSync(join(root, "b"), join(root, "d"));
    const index = await DirIndex.of(everything(root), {
      unchanged: ({ path }) => {
        if (path === "b") fs.rmSync(join(root, "b"));
        return false;
      },
    });
    assert.ok(index.entries.every(({ path }) => path === "d"));
    assert.ok(index.skipped.some(({ path }) => path === "b"));
    for (const entry of index.entries) assert.equal(entry.kind, "file");
  });
});

test("files that are known to be unchanged are not read", async () => {
  await withTemp(async (root) => {
    for (const name of ["a", "b"]) fs.writeFileSync(join(root, name), name);
    const previous = await DirIndex.of(everything(root));
    fs.writeFileSync(join(root, "a"), "A");
    fs.writeFileSync(join(root, "new"), "new");
    const index = await DirIndex.of(everything(root), {
      previous,
      unchanged: () => true,
    });
    assert.equal(index.get("a")?.sha256, previous.get("a")?.sha256);
    assert.equal(
      index.get("new")?.sha256,
      toHex(sha256(new TextEncoder().encode("new"))),
    );
  });
});

test("timers fire while a large tree is indexed", async () => {
  await withTemp(async (root) => {
    for (let at = 0; at < 200; at++) fs.writeFileSync(join(root, `${at}`), "x");
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    const indexing = DirIndex.of(everything(root), {
      signal: stop.signal,
      onProgress: () => {
        for (const end = performance.now() + 3; performance.now() < end;);
      },
    });
    await assert.rejects(indexing, { code: "aborted" });
  });
});

test("an unreadable file is reported", needsHeld, async () => {
  await withTemp((root) => runHeld(worker, "file", root));
});
