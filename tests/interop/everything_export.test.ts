/** A tree with entries of every kind, exported and read by other programs. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { StreamFormat } from "../../lib/archive/archive_stream.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Walker } from "../../lib/tree/walker.ts";
import {
  assertSameTree,
  differencesOf,
  everything,
  keepTree,
  needsEverything,
  withoutFaultsOf,
  withoutLongPaths,
} from "../support/everything.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { needsXattrsOfRoot } from "../support/xattrs.ts";

const EXTRACT = {
  tar: ["--xattrs", "--xattrs-include=*", "--acls"],
  bsdtar: ["--xattrs", "--acls"],
};

/** Takes a snapshot of a directory, and exports it to archives. */
async function exportTo(
  archive: string,
  root: string,
  formats: readonly StreamFormat[],
): Promise<{ restored: string; failed: string[] }> {
  const repository = await Repository.create(new MemoryStorage());
  const { record } = await repository.snapshot(
    new Walker(root, { excludes: [] }),
  );
  const restored = `${archive}-restored`;
  assert.deepEqual((await repository.restore(record, restored)).failed, []);
  const failed: string[] = [];
  for (const format of formats) {
    const onFailure = ({ path }: { path: string }) => failed.push(path);
    const stream = await repository.export(record, { format, onFailure });
    const file = fs.openSync(`${archive}.${format}`, "w");
    for await (const part of stream) fs.writeSync(file, part);
    fs.closeSync(file);
  }
  return { restored, failed };
}

for (const program of ["tar", "bsdtar"] as const) {
  const options = [needsXattrsOfRoot, needsEverything, needs(program, "zstd")]
    .find(({ skip }) => skip !== undefined) ?? {};

  test(`${program} extracts everything from an export`, options, async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "tree");
      everything("make", root);
      withoutFaultsOf(program, root);
      withoutLongPaths(root);
      const archive = join(folder, "archive");
      const formats = ["tar", "tar.gz", "tar.zst"] as const;
      const { restored, failed } = await exportTo(archive, root, formats);
      assert.deepEqual(failed, []);
      const kept = keepTree(restored, join(folder, "kept"));
      for (const format of formats) {
        const out = join(folder, format);
        fs.mkdirSync(out);
        const words = [...EXTRACT[program], "-xpf", `${archive}.${format}`];
        runText(program, [...words, "-C", out]);
        // The root has no member.
        runText("setfattr", ["-n", "user.top", "-v", "1", out]);
        runText("touch", ["-r", restored, out]);
        // bsdtar writes zeros to holes of less than a block.
        if (program === "tar") assertSameTree(out, kept);
        else assert.equal(differencesOf(restored, out), "");
      }
    });
  });
}

/**
 * Prints the paths of a tree that a zip can hold but does not have, and the
 * members of the zip that differ from the tree or are not in it.
 */
const COMPARE = `
import os, stat, struct, sys, zipfile
archive, root = zipfile.ZipFile(sys.argv[1]), os.fsencode(sys.argv[2])
wanted = set()
for folder, folders, files in os.walk(root):
    for name in folders + files:
        mode = os.lstat(os.path.join(folder, name)).st_mode
        path = os.path.relpath(os.path.join(folder, name), root)
        try: path = path.decode()
        except UnicodeDecodeError: continue
        if chr(92) in path: continue
        if stat.S_ISDIR(mode): wanted.add(path + "/")
        elif stat.S_ISREG(mode) or stat.S_ISLNK(mode): wanted.add(path)
for name in wanted.symmetric_difference(archive.namelist()):
    print("only one has", ascii(name))
for info in archive.infolist():
    path = os.path.join(root, os.fsencode(info.filename.rstrip("/")))
    state = os.lstat(path)
    same = info.external_attr >> 16 == state.st_mode
    extra, fields = info.extra, {}
    while extra:
        key, length = struct.unpack("<HH", extra[:4])
        fields[key], extra = extra[4:4 + length], extra[4 + length:]
    seconds = state.st_mtime_ns // 10**9
    if 0x5455 in fields or -2**31 <= seconds < 2**31:
        same = same and struct.unpack("<xi", fields[0x5455])[0] == seconds
    owner = struct.unpack("<xxIxI", fields[0x7875])
    same = same and owner == (state.st_uid, state.st_gid)
    content = archive.read(info)
    if stat.S_ISLNK(state.st_mode):
        same = same and content == os.readlink(path)
    elif stat.S_ISREG(state.st_mode):
        with open(path, "rb") as file: same = same and content == file.read()
    if not same: print("different:", ascii(info.filename))
`;

test("Python and unzip extract everything that a zip can hold from an export", {
  ...needsEverything,
  ...needsXattrsOfRoot,
  ...needs("python3", "unzip"),
}, async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "tree");
    everything("make", root);
    withoutLongPaths(root);
    const archive = join(folder, "archive");
    const { restored, failed } = await exportTo(archive, root, ["zip"]);
    for (const path of ["special/pipe", "special/block", "attributes/file"]) {
      assert.ok(failed.includes(path), path);
    }
    const zip = `${archive}.zip`;
    assert.equal(runText("python3", ["-c", COMPARE, zip, restored]), "");

    // unzip does not extract names with control characters.
    fs.rmSync(join(root, "names"), { recursive: true });
    await exportTo(join(folder, "plain"), root, ["zip"]);
    const out = join(folder, "out");
    runText("unzip", ["-q", "-X", "-K", join(folder, "plain.zip"), "-d", out]);
    const how = ["-rlptgoDcni", "--omit-link-times", "--delete"];
    const differing = runText("rsync", [
      ...[...how, "--modify-window=1", "--omit-dir-times"],
      ...[`${root}/`, `${out}/`],
    ]).split("\n").filter((line) => line !== "");
    // unzip ignores times before 1970, and a zip cannot hold those after 2038.
    const expected = /^c[DS]|^\.f\.\.t\.{6} times\/(?:19|21|24)/;
    assert.deepEqual(differing.filter((line) => !expected.test(line)), []);
  });
});
