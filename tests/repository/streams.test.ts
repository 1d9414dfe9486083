/** Snapshots of streams: tar archives, and entries that a program generates. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tarEntries } from "../../lib/archive/tar_entries.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
import type { StreamedEntry } from "../../lib/tree/streamed_entry.ts";
import { Walker } from "../../lib/tree/walker.ts";
import {
  assertSameTree,
  everything,
  keepTree,
  needsEverything,
  withoutFaultsOf,
} from "../support/everything.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { needsXattrsOfRoot } from "../support/xattrs.ts";

const CREATE = {
  tar: ["--xattrs", "--xattrs-include=*", "--acls", "--sparse"],
  bsdtar: ["--format=pax", "--xattrs", "--acls"],
} as const;

for (
  const [program, compression] of [
    ["tar", "none"],
    ["tar", "zstd"],
    ["bsdtar", "gzip"],
  ] as const
) {
  const options = [needsXattrsOfRoot, needsEverything, needs(program)]
    .find(({ skip }) => skip !== undefined) ?? {};
  test(
    `a snapshot of a tar of everything by ${program}, compression ${compression}, is restored exactly`,
    options,
    async () => {
      await withTemp(async (folder) => {
        const root = join(folder, "tree");
        everything("make", root);
        withoutFaultsOf(program, root);
        // These programs store the names of such hard links as separate
        // entries.
        const apart = program === "tar" ? ["pipe", "block"] : ["block"];
        for (const name of apart) fs.rmSync(join(root, "links", name));
        const kept = keepTree(root, join(folder, "kept"));
        const archive = join(folder, "archive.tar");
        const how = compression === "none" ? [] : [`--${compression}`];
        runText(program, [
          ...CREATE[program],
          ...how,
          "-cf",
          archive,
          "-C",
          root,
          ".",
        ]);
        const repository = await Repository.create(new MemoryStorage());
        const { record, skipped } = await repository.snapshot(
          tarEntries(fs.createReadStream(archive)),
          { source: root },
        );
        assert.deepEqual(skipped, []);
        const { damage } = await repository.verify({ data: true });
        assert.deepEqual(damage, []);
        const out = join(folder, "out");
        const { failed } = await repository.restore(record, out);
        assert.deepEqual(failed, []);
        assertSameTree(out, kept);
        // The directory is equal to the snapshot of the archive.
        const next = await repository.snapshot(
          new Walker(root, { excludes: [] }),
          { source: root },
        );
        assert.equal(next.isNew, false);
      });
    },
  );
}

const STATE = { mode: 0o644, mtime: 5n, uid: 7, gid: 8, size: 0 };

function file(path: string, text: string): StreamedEntry {
  const bytes = new TextEncoder().encode(text);
  return {
    member: { path, kind: "file", ...STATE },
    body: (async function* () {
      yield await Promise.resolve(bytes);
    })(),
  };
}

function link(path: string, target: string): StreamedEntry {
  return { member: { path, kind: "hardlink", ...STATE, target } };
}

async function* streamOf(
  ...entries: StreamedEntry[]
): AsyncGenerator<StreamedEntry> {
  await Promise.resolve();
  yield* entries;
}

/**
 * Returns the entries of a snapshot in short: path, kind, and text or target.
 */
async function shown(
  repository: Repository,
  record: SnapshotRecord,
): Promise<string[]> {
  const { damage } = await repository.verify({ data: true });
  assert.deepEqual(damage, []);
  const lines: string[] = [];
  for await (const batch of repository.entries(record)) {
    for (const entry of batch) {
      const { path, kind } = entry;
      const more = kind === "file"
        ? await new Response(await repository.readFile(record, path)).text()
        : entry.target ?? "";
      lines.push(`${path} ${kind} ${more.slice(0, 40)}`.trim());
    }
  }
  return lines;
}

test("a stream in any order becomes a tree in path order, with its folders", async () => {
  const repository = await Repository.create(new MemoryStorage());
  const { record } = await repository.snapshot(
    streamOf(
      file("b/c/d", "one"),
      file("a.txt", "two"),
      file("a/z", "two"),
      file("b/a", "three"),
      { member: { path: "b", kind: "directory", ...STATE, mode: 0o700 } },
    ),
    { source: "stream" },
  );
  assert.deepEqual(await shown(repository, record), [
    "a directory",
    "a/z file two",
    "a.txt file two",
    "b directory",
    "b/a file three",
    "b/c directory",
    "b/c/d file one",
  ]);
  const folder = await repository.lookup(record, "b");
  assert.equal(folder?.mode, 0o700);
  assert.equal((await repository.lookup(record, "b/c"))?.uid, 7);
});

test("the last of several entries with the same path counts", async () => {
  const repository = await Repository.create(new MemoryStorage());
  const large = "x".repeat(3 << 20);
  const { record } = await repository.snapshot(
    streamOf(
      file("a", "first"),
      link("hard", "a"),
      file("big", `${large}1`),
      file("a", "second"),
      file("big", `${large}2`),
      file("copy", `${large}1`),
      file("a", "third"),
    ),
    { source: "stream" },
  );
  assert.deepEqual(await shown(repository, record), [
    "a file third",
    `big file ${"x".repeat(40)}`,
    `copy file ${"x".repeat(40)}`,
    "hard file first",
  ]);
  for (const [path, end] of [["big", "2"], ["copy", "1"]]) {
    const body = await repository.readFile(record, path);
    assert.equal((await new Response(body).text()).at(-1), end);
  }
  // The content of `copy` is the basis of a delta.
  const next = await repository.snapshot(
    streamOf(file("big", `2${large}2`), file("copy", `1${large}1`)),
    { source: "stream" },
  );
  await shown(repository, next.record);
  const body = await repository.readFile(next.record, "copy");
  assert.equal(await new Response(body).text(), `1${large}1`);
});

test("the first name in path order of a file with several names becomes the file", async () => {
  const repository = await Repository.create(new MemoryStorage());
  const long = Array.from({ length: 5000 }, (_, at) => `line ${at} `).join("");
  const first = await repository.snapshot(
    streamOf(file("a", "other"), file("m", long), file("empty2", "")),
    { source: "stream" },
  );
  const { record } = await repository.snapshot(
    streamOf(
      // This becomes a delta against `m`, and `a` its first name.
      file("m", `${long}more`),
      link("a", "m"),
      link("z", "a"),
      file("empty2", ""),
      link("empty1", "empty2"),
    ),
    { source: "stream" },
  );
  assert.equal(record.parent, first.record.id);
  assert.deepEqual(await shown(repository, record), [
    "a file line 0 line 1 line 2 line 3 line 4 line",
    "empty1 file",
    "empty2 hardlink empty1",
    "m hardlink a",
    "z hardlink a",
  ]);
  const entry = await repository.lookup(record, "a");
  assert.deepEqual(entry?.content?.map(({ form, path }) => [form, path]), [
    ["whole", "m"],
    ["delta", "m"],
  ]);
  const body = await repository.readFile(record, "a");
  assert.equal(await new Response(body).text(), `${long}more`);
});

test("hard links to missing paths and to directories are skipped and named", async () => {
  const repository = await Repository.create(new MemoryStorage());
  const told: Skipped[] = [];
  const { record, skipped } = await repository.snapshot(
    streamOf(
      link("early", "late"),
      file("late", "x"),
      { member: { path: "dir", kind: "directory", ...STATE } },
      link("todir", "dir"),
      { member: { path: "huge", kind: "fifo", ...STATE, uid: 2 ** 40 } },
      { member: { path: "odd", kind: "other", ...STATE } },
      {
        member: {
          path: "tagged",
          kind: "directory",
          ...STATE,
          xattrs: { "user.x": "A".repeat(1 << 20) },
        },
      },
      file(".deltar-stage-x", "x"),
    ),
    { source: "stream", onSkip: (one) => told.push(one) },
  );
  assert.deepEqual(await shown(repository, record), [
    "dir directory",
    "late file x",
    "tagged directory",
  ]);
  assert.deepEqual(told, skipped);
  assert.deepEqual(
    skipped.map(({ path, reason }) => `${path} ${reason}`).sort(),
    [
      ".deltar-stage-x name",
      "early unreadable",
      "huge unreadable",
      "odd special",
      "tagged changed",
      "todir unreadable",
    ],
  );
});

test("a snapshot of a stream with extreme metadata can be read", async () => {
  const repository = await Repository.create(new MemoryStorage());
  const end = 2n ** 63n * 1_000_000_000n;
  const member = (path: string, more: object) =>
    ({
      member: { path, kind: "symlink", ...STATE, target: "x", ...more },
    }) as StreamedEntry;
  const long = "\udcff".repeat(16_383);
  const { record, skipped } = await repository.snapshot(
    streamOf(
      member("", { kind: "directory", mtime: end - 1n, uname: "a:b" }),
      member("long", { target: long }),
      member("longer", { target: `${long}\udcff` }),
      member("early", { mtime: -end }),
      member("earlier", { mtime: -end - 1n }),
      member("late", { mtime: end - 1n }),
      member("later", { mtime: end }),
    ),
    { source: "stream" },
  );
  assert.deepEqual(await shown(repository, record), [
    "early symlink x",
    "late symlink x",
    `long symlink ${long.slice(0, 40)}`,
  ]);
  assert.equal((await repository.lookup(record, "early"))?.mtime, -end);
  assert.deepEqual(
    skipped.map(({ path, reason }) => `${path} ${reason}`),
    ["longer unreadable", "earlier unreadable", "later unreadable"],
  );
});

for (
  const [what, more] of Object.entries({
    "has an owner of more than 32 bits": { uid: 2 ** 32, uname: "someone" },
    "has a time of more than 64 bits": { mtime: 10n ** 29n },
    "is not a directory": { kind: "symlink", target: "x" },
  })
) {
  test(`a stream whose root ${what} is refused, and nothing is stored`, async () => {
    const repository = await Repository.create(new MemoryStorage());
    const member = { path: "", kind: "directory", ...STATE, ...more };
    await assert.rejects(
      repository.snapshot(streamOf({ member } as StreamedEntry), {
        source: "stream",
      }),
      { code: "unsafe" },
    );
    assert.deepEqual(await repository.snapshots(), []);
  });
}

for (
  const [what, entries] of Object.entries({
    "leads out of the tree": () => [file("../x", "x")],
    "is absolute": () => [file("/x", "x")],
    "is below a file": () => [file("a/b", "x"), file("a", "x")],
    "is below a symlink": () =>
      [
        { member: { path: "a", kind: "symlink", ...STATE, target: "/etc" } },
        file("a/b", "x"),
      ] as StreamedEntry[],
  })
) {
  test(`a stream with a path that ${what} is refused, and nothing is stored`, async () => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    await assert.rejects(
      repository.snapshot(streamOf(...entries()), { source: "stream" }),
      (error) => error instanceof DeltarError && error.code === "unsafe",
    );
    assert.deepEqual(await repository.snapshots(), []);
  });
}

test("snapshot() of a stream needs a source, and a time that is not in the future", async () => {
  const repository = await Repository.create(new MemoryStorage());
  await assert.rejects(repository.snapshot(streamOf()), TypeError);
  const time = Date.now() + 1e9;
  await assert.rejects(
    repository.snapshot(streamOf(), { source: "x", time }),
    RangeError,
  );
});

test("a snapshot with a given time has this time, follows earlier ones, and is taken even if nothing changed", async () => {
  const repository = await Repository.create(new MemoryStorage());
  const times = ["2020-01-01T00:00:00.250Z", "2020-01-02T00:00:00Z"]
    .map((text) => Date.parse(text));
  const take = (time?: number) =>
    repository.snapshot(streamOf(file("a", "x")), { source: "x", time });
  const first = await take(times[0]);
  const second = await take(times[1]);
  assert.equal(first.record.time, times[0]);
  assert.equal(second.record.time, times[1]);
  assert.equal(second.record.parent, first.record.id);
  assert.equal(second.isNew, true);
  for (const time of times) {
    await assert.rejects(
      take(time),
      (error) => error instanceof DeltarError && error.code === "exists",
    );
  }
  assert.equal((await take()).isNew, false);
  const found = await repository.find("2020-01-01", { directory: "x" });
  assert.equal(found.id, first.record.id);
});
