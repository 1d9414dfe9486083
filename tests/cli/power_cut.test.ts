import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { noise } from "../support/noise.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { withTemp } from "../support/temp.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** A file system in a file, which contains what a power cut would leave. */
class Disk {
  readonly #image: string;
  /** The folder at which it is mounted. */
  readonly root: string;

  constructor(image: string, root: string) {
    this.#image = image;
    this.root = root;
    fs.mkdirSync(root);
    execFileSync("mount", ["-o", "loop", image, root], { stdio: "ignore" });
  }

  static make(image: string, root: string): Disk {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 48 << 20);
    execFileSync("mkfs.ext4", ["-q", image], { stdio: "ignore" });
    return new Disk(image, root);
  }

  /** Returns the disk as it would be after a power cut at this moment. */
  cut(image: string, root: string): Disk {
    // The system may be writing, so the file is copied until it no longer
    // changes.
    do fs.copyFileSync(this.#image, image); while (
      !fs.readFileSync(this.#image).equals(fs.readFileSync(image))
    );
    return new Disk(image, root);
  }

  end(): void {
    execFileSync("umount", [this.root]);
  }
}

async function canMount(): Promise<boolean> {
  if (process.env.CI) return true;
  let can = false;
  await withTemp((folder) => {
    try {
      Disk.make(join(folder, "image"), join(folder, "root")).end();
      can = true;
    } catch {
      // Root or the tools for mounting are missing.
    }
  });
  return can;
}

/**
 * Starts a command and kills it at the right moment, unless it has ended
 * before.
 */
async function killWhen(
  place: Place,
  words: string[],
  isTime: () => boolean,
): Promise<void> {
  const [program, ...args] = [...COMMAND, ...words];
  const { root, env } = place;
  const child = spawn(program, args, { cwd: root, env, stdio: "ignore" });
  let isOver = false;
  const ended = new Promise<void>((resolve) =>
    child.on("exit", () => {
      isOver = true;
      resolve();
    })
  );
  while (!isOver && !isTime()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  child.kill("SIGKILL");
  await ended;
}

const FILES = 200;

test(
  "a power cut loses no restored file and no byte of an existing file",
  {
    skip: !await canMount(),
  },
  async () => {
    await withPlace(async (place) => {
      const { folder, root } = place;
      const fill = (to: string, seed: number, from: number) => {
        for (let at = from; at < FILES; at++) {
          fs.writeFileSync(join(to, `${at}`), noise(10_000, seed + at));
        }
        roundTimes(to);
      };
      fill(root, 1, 0);
      const repo = ["--repo", join(folder, "repository")];
      place.run(["snapshot", ...repo]);
      const wanted = stateOf(root);
      const disk = Disk.make(join(folder, "disk"), join(folder, "mounted"));
      const to = join(disk.root, "to");
      const restore = (target: string) => [
        ...["restore", "latest", ...repo, "--delete", "--to", target],
      ];
      const afterCut = (name: string, check: (to: string) => void) => {
        const cut = disk.cut(join(folder, `${name} image`), join(folder, name));
        try {
          check(join(cut.root, "to"));
        } finally {
          cut.end();
        }
      };
      /** Returns the files without temporary ones. */
      const filesOf = (to: string) =>
        Object.fromEntries(
          Object.entries(stateOf(to) as Record<string, { content: string }>)
            .filter(([path]) => !path.startsWith(".deltar-stage-")),
        );
      try {
        assert.equal(place.run(restore(to)).code, 0);
        afterCut("new", (to) => assert.deepEqual(filesOf(to), wanted));
        for (const share of [0.1, 0.4, 0.8]) {
          const what = `cut after ${share}`;
          fs.rmSync(to, { recursive: true });
          fs.mkdirSync(to);
          // Half of the files will be created, and half overwritten.
          fill(to, 5000, FILES / 2);
          execFileSync("sync", ["-f", to]);
          const before = filesOf(to);
          const good = wanted as typeof before;
          const isDone = (to: string) =>
            fs.readdirSync(to).length > FILES / 2 * (1 + share);
          await killWhen(place, restore(to), () => isDone(to));
          afterCut(`${share}`, (to) => {
            const left = fs.readdirSync(to).some((name) =>
              name.includes("journal")
            );
            assert.ok(left, `${what}: nothing tells of the restore`);
            const now = filesOf(to);
            for (const [path, { content }] of Object.entries(before)) {
              const fine = [content, good[path].content];
              assert.ok(fine.includes(now[path].content), `${what}: ${path}`);
            }
          });
          assert.equal(place.run(restore(to)).code, 0);
          assert.deepEqual(filesOf(to), wanted, what);
          afterCut(
            `${share} in the end`,
            (to) => assert.deepEqual(filesOf(to), wanted, what),
          );
        }
      } finally {
        disk.end();
      }
    });
  },
);
