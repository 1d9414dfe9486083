import assert from "node:assert/strict";
import * as fs from "node:fs";
import nodeFs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "../repository/helpers.ts";

/** Skips on Windows, which has no such modes. */
const POSIX = { skip: process.platform === "win32" && "needs POSIX" };
const UMASKS = [0o000, 0o022, 0o077];

/** Returns the modes of everything in a folder, and of the folder itself. */
function modesOf(folder: string): { folders: string[]; files: string[] } {
  const found = { folders: new Set<string>(), files: new Set<string>() };
  const names = fs.readdirSync(folder, { recursive: true }) as string[];
  for (const name of ["", ...names]) {
    const stat = fs.statSync(join(folder, name));
    const mode = (stat.mode & 0o7777).toString(8);
    (stat.isDirectory() ? found.folders : found.files).add(mode);
  }
  return { folders: [...found.folders], files: [...found.files] };
}

async function withUmask(
  umask: number,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const before = process.umask(umask);
    try {
      await work(folder);
    } finally {
      process.umask(before);
    }
  });
}

async function snapshot(repository: Repository, folder: string) {
  const root = join(folder, "root");
  fs.mkdirSync(root, { recursive: true });
  fs.writeFileSync(join(root, "a"), `${Math.random()}`);
  await repository.snapshot(everything(root), { cache: join(folder, "cache") });
}

test(
  "a new repository and the machine's cache are closed to other users [A3]",
  POSIX,
  async () => {
    for (const umask of UMASKS) {
      await withUmask(umask, async (folder) => {
        const repo = join(folder, "above/repo");
        const repository = await Repository.create(new LocalStorage(repo));
        await snapshot(repository, folder);
        const closed = { folders: ["700"], files: ["600"] };
        assert.deepEqual(modesOf(repo), closed, `umask ${umask}`);
        assert.deepEqual(modesOf(join(folder, "cache")), closed);
        // Folders above the repository keep the mode that the system gives
        // them.
        const above = fs.statSync(join(folder, "above")).mode & 0o777;
        assert.equal(above, 0o777 & ~umask);
      });
    }
  },
);

test(
  "an empty folder that is open to all users is closed for a repository [A3]",
  POSIX,
  async () => {
    const modes = { 0o755: "700", 0o777: "700", 0o750: "750", 0o2775: "2775" };
    for (const [mode, expected] of Object.entries(modes)) {
      await withTemp(async (folder) => {
        const repo = join(folder, "repo");
        fs.mkdirSync(repo);
        fs.chmodSync(repo, Number(mode));
        await Repository.create(new LocalStorage(repo));
        const after = fs.statSync(repo).mode & 0o7777;
        assert.equal(after.toString(8), expected);
      });
    }
  },
);

test(
  "a shared repository is open to the group, regardless of the umask [A3]",
  POSIX,
  async () => {
    const expected = {
      read: { folders: ["2750"], files: ["640"] },
      write: { folders: ["2770"], files: ["660"] },
    };
    for (const umask of UMASKS) {
      for (const shared of ["read", "write"] as const) {
        await withUmask(umask, async (folder) => {
          const repo = join(folder, "repo");
          const storage = new LocalStorage(repo);
          await snapshot(await Repository.create(storage, { shared }), folder);
          assert.deepEqual(modesOf(repo), expected[shared], `umask ${umask}`);
          // Another process uses only the mode of the folder.
          const again = await Repository.open(new LocalStorage(repo));
          await snapshot(again, folder);
          assert.deepEqual(modesOf(repo), expected[shared]);
        });
      }
    }
  },
);

test("an existing repository keeps its modes [A3]", POSIX, async () => {
  await withUmask(0o022, async (folder) => {
    const repo = join(folder, "repo");
    const repository = await Repository.create(new LocalStorage(repo));
    await snapshot(repository, folder);
    for (const name of ["", "snapshots", "trees", "volumes"]) {
      fs.chmodSync(join(repo, name), 0o755);
    }
    const names = fs.readdirSync(repo, { recursive: true }) as string[];
    for (const name of names) {
      const place = join(repo, name);
      const isFolder = fs.statSync(place).isDirectory();
      fs.chmodSync(place, isFolder ? 0o755 : 0o644);
    }
    const again = await Repository.open(new LocalStorage(repo));
    await snapshot(again, folder);
    await again.label(await again.find("latest"), "x");
    const open = { folders: ["755"], files: ["644"] };
    assert.deepEqual(modesOf(repo), open);
    await assert.rejects(
      Repository.create(new LocalStorage(repo), { shared: "write" }),
      { code: "exists" },
    );
    assert.deepEqual(modesOf(repo), open);
  });
});

test("Repository.create() shares only repositories in folders [A3]", async () => {
  const shared = { shared: "read" } as const;
  await assert.rejects(Repository.create(new MemoryStorage(), shared), {
    name: "DeltarError",
    code: "unsupported",
  });
  const wrong = { shared: true } as unknown as typeof shared;
  await assert.rejects(
    Repository.create(new MemoryStorage(), wrong),
    TypeError,
  );
});

test("Repository.create() refuses a disk that changes the case of names [S8]", async () => {
  const { readdirSync } = nodeFs;
  const list = (change: (name: string) => string) => {
    nodeFs.readdirSync = ((...args: Parameters<typeof readdirSync>) => {
      const names = (readdirSync as (...args: unknown[]) => unknown[])(...args);
      return names.map((name) =>
        typeof name === "string" ? change(name) : name
      );
    }) as typeof readdirSync;
  };
  const disks = {
    "changes the case of names": (name: string) => name.toUpperCase(),
    "does not list files by the names": (name: string) => name.slice(0, 8),
  };
  for (const [what, change] of Object.entries(disks)) {
    for (const isThere of [false, true]) {
      await withTemp(async (folder) => {
        const repo = join(folder, "repo");
        if (isThere) fs.mkdirSync(repo);
        list(change);
        try {
          await assert.rejects(Repository.create(new LocalStorage(repo)), {
            name: "DeltarError",
            code: "unsupported",
            message: new RegExp(what),
            object: repo,
          });
        } finally {
          nodeFs.readdirSync = readdirSync;
        }
        assert.equal(fs.existsSync(repo), isThere);
        if (isThere) assert.deepEqual(fs.readdirSync(repo), []);
      });
    }
  }
});
