import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { withTemp } from "../support/temp.ts";

// deno-lint-ignore no-explicit-any
type Wrong = any;

/**
 * Calls with options that plain JavaScript may pass, and the expected messages.
 */
const WRONG: [
  call: (repository: Repository, dir: Dir) => unknown,
  name: "TypeError" | "RangeError",
  message: RegExp,
][] = [
  [
    (repository, dir) => repository.snapshot(dir, { label: 5 as Wrong }),
    "TypeError",
    /snapshot\(\): label must be a string, not 5/,
  ],
  [
    (repository, dir) =>
      repository.snapshot(dir, { label: "x".repeat(70_000) }),
    "TypeError",
    /label must be a string of at most 1000 characters/,
  ],
  [
    (repository, dir) => repository.snapshot(dir, { volumeSize: NaN }),
    "RangeError",
    /volumeSize must be a number of at least 4096, not NaN/,
  ],
  [
    (repository, dir) =>
      repository.snapshot(dir, { onlyIfChanged: "no" as Wrong }),
    "TypeError",
    /onlyIfChanged must be true or false, not "no"/,
  ],
  [
    (repository, dir) =>
      repository.snapshot(dir, { ignoreFolderTimes: 1 as Wrong }),
    "TypeError",
    /ignoreFolderTimes must be true or false, not 1/,
  ],
  [
    (repository) => repository.revert("folder", { former: "old" as Wrong }),
    "TypeError",
    /former must be/,
  ],
  [
    (repository, dir) => repository.snapshot(dir, { signal: {} as Wrong }),
    "TypeError",
    /signal must be an AbortSignal, not an object/,
  ],
  [
    (repository) => repository.snapshot("folder" as Wrong),
    "TypeError",
    /not "folder"; make one with new Dir\("folder"\)/,
  ],
  [
    (repository, dir) => repository.snapshot(dir, "label" as Wrong),
    "TypeError",
    /the options must be an object, not "label"/,
  ],
  [
    (_, dir) => new Dir(dir.path, { gitignore: "yes" as Wrong }),
    "TypeError",
    /gitignore must be true or false, not "yes"/,
  ],
  [
    (_, dir) => new Dir(dir.path, { excludes: "*.o" as Wrong }),
    "TypeError",
    /excludes must be a list of strings, not "\*\.o"/,
  ],
  [
    () => Repository.create(new MemoryStorage(), { codec: "lz4" as Wrong }),
    "TypeError",
    /codec must be "gzip" or "zstd", not "lz4"/,
  ],
  [
    async (repository) =>
      await repository.restore(await repository.find("latest"), "x", {
        paths: "a" as Wrong,
      }),
    "TypeError",
    /paths must be a list of strings, not "a"/,
  ],
  [
    (repository) => repository.verify({ data: 1 as Wrong }),
    "TypeError",
    /data must be true or false, not 1/,
  ],
  [
    (repository) => repository.prune({ last: 1 }, { grace: NaN }),
    "RangeError",
    /grace must be a number of at least 0, not NaN/,
  ],
  [
    (repository) => repository.purge(["a"], { patience: NaN }),
    "RangeError",
    /patience must be a number of at least 0, not NaN/,
  ],
  [
    (repository) => repository.drill({ files: 0.5 }),
    "RangeError",
    /files must be a whole number of at least 1, not 0.5/,
  ],
  [
    () => TarVolume.create(new MemoryStorage(), "a", { codec: "zip" as Wrong }),
    "TypeError",
    /codec must be "gzip" or "zstd", not "zip"/,
  ],
  [
    (_, dir) =>
      DirIndex.of({ path: dir.path, walk: () => dir.walk() } as Wrong),
    "TypeError",
    /the directory must be a Dir or a Walker, not object/,
  ],
];

test("invalid options are refused before anything is written [L2, L5, L8]", async () => {
  await withTemp(async (folder) => {
    writeFileSync(`${folder}/a`, "a");
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    await repository.snapshot(new Dir(folder));
    const before = [...storage.objects.keys()];
    for (const [call, name, message] of WRONG) {
      await assert.rejects(
        async () => await call(repository, new Dir(folder)),
        { name, message },
      );
    }
    assert.deepEqual([...storage.objects.keys()], before);
    assert.equal((await repository.snapshots()).length, 1);
  });
});

test("new Dir() uses the current directory [L8]", () => {
  assert.equal(new Dir().path, new Dir(".").path);
});
