import { execFileSync, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { withTemp } from "./temp.ts";

/**
 * A file system that behaves like that of another system, or loses stored data.
 * other_disk.py describes the kinds. `ntfs` is NTFS as `ntfs-3g` mounts it: it
 * accepts modes and owners, but does not keep them.
 */
export type DiskKind = "apfs" | "hfs" | "exfat" | "ntfs" | "lossy";

const SCRIPT = fileURLToPath(new URL("other_disk.py", import.meta.url));
/** The Python in which mfusepy is installed. It is kept for the next run. */
const PYTHON = process.env.DELTAR_TEST_PYTHON ??
  join(homedir(), ".cache/deltar-tests/python/bin/python");

/**
 * Returns options for a test that mounts such a disk. The test is skipped if
 * this is not possible.
 */
export function needsOtherDisk(): { skip?: string } {
  const works = spawnSync(PYTHON, ["-c", "import mfusepy"]).status === 0 &&
    fs.existsSync("/dev/fuse");
  if (works || process.env.CI) return {};
  return { skip: "needs FUSE and mfusepy; .ci/run sets them up" };
}

/** Makes an image of an empty NTFS disk in a folder, and returns its path. */
function makeNtfs(folder: string): string {
  const image = join(folder, "image");
  fs.writeFileSync(image, "");
  fs.truncateSync(image, 64 << 20);
  execFileSync("mkfs.ntfs", ["-F", "-f", "-q", image], { stdio: "ignore" });
  return image;
}

/**
 * Runs `work` with an empty disk of a kind, and then unmounts the disk.
 *
 * @param kind The kind of disk.
 * @param work Called with the mount point and a folder on the ordinary disk.
 */
export function withOtherDisk<Result>(
  kind: DiskKind,
  work: (disk: string, folder: string) => Promise<Result>,
): Promise<Result> {
  return withTemp(async (folder) => {
    const [real, disk, plain] = ["real", "disk", "plain"].map((name) => {
      const path = join(folder, name);
      fs.mkdirSync(path);
      return path;
    });
    const { dev } = fs.statSync(disk);
    const [program, ...words] = kind === "ntfs"
      ? ["ntfs-3g", "-o", "no_detach", makeNtfs(real), disk]
      : [PYTHON, SCRIPT, kind, real, disk];
    const server = spawn(program, words, {
      // ntfs-3g reports every mount.
      stdio: kind === "ntfs" ? "ignore" : ["ignore", "inherit", "inherit"],
    });
    let hasEnded = false;
    const ended = new Promise<void>((resolve) =>
      server.on("close", () => {
        hasEnded = true;
        resolve();
      })
    );
    try {
      while (fs.statSync(disk).dev === dev) {
        if (hasEnded) throw new Error(`${kind}: could not be mounted`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return await work(disk, plain);
    } finally {
      if (!hasEnded) execFileSync("umount", ["--lazy", disk]);
      await ended;
    }
  });
}
