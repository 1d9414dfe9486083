/** A tree with entries of every kind in the archives of other programs. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
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

/**
 * The programs, with the words that create an archive of everything and extract
 * it.
 */
const PROGRAMS = {
  tar: {
    create: ["--xattrs", "--xattrs-include=*", "--acls", "--sparse"],
    extract: ["--xattrs", "--xattrs-include=*", "--acls"],
  },
  bsdtar: {
    create: ["--format=pax", "--xattrs", "--acls"],
    extract: ["--xattrs", "--acls"],
  },
} as const;

for (const program of ["tar", "bsdtar"] as const) {
  const { create, extract } = PROGRAMS[program];
  const options = [needsXattrsOfRoot, needsEverything, needs(program)]
    .find(({ skip }) => skip !== undefined) ?? {};

  test(
    `TarVolume extracts everything from an archive of ${program}`,
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
        runText(program, [...create, "-cf", archive, "-C", root, "."]);
        const storage = new LocalStorage(folder);
        const opened = TarVolume.fromVolumes(storage, ["archive.tar"]);
        const skipped: Skipped[] = [];
        const onSkip = (one: Skipped) => skipped.push(one);
        const out = join(folder, "out");
        await opened.extractAll(out, { onSkip });
        assert.deepEqual(skipped, []);
        assertSameTree(out, kept);
      });
    },
  );

  test(
    `${program} extracts everything from an archive of TarVolume`,
    options,
    async () => {
      await withTemp(async (folder) => {
        const root = join(folder, "tree");
        everything("make", root);
        withoutFaultsOf(program, root);
        withoutLongPaths(root);
        const storage = new LocalStorage(folder);
        const writer = TarVolume.create(storage, "archive", {
          volumeSize: 1 << 30,
        });
        await writer.addTree(new Walker(root, { excludes: [] }));
        const { volumes } = await writer.close();
        assert.equal(volumes.length, 1);
        const out = join(folder, "out");
        fs.mkdirSync(out);
        const archive = join(folder, volumes[0].name);
        runText(program, [...extract, "-xpf", archive, "-C", out]);
        // The root has no member.
        runText("setfattr", ["-n", "user.top", "-v", "1", out]);
        runText("touch", ["-r", root, out]);
        // An archive of TarVolume has zeros for holes.
        assert.equal(differencesOf(root, out), "");
      });
    },
  );
}
