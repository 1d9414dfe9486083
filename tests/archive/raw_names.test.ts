/** Names that are not valid UTF-8, in tar archives of deltar and GNU tar. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
import { useFolderAccess } from "../../lib/tree/open_folder.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, run } from "../support/peer.ts";
import {
  bash,
  needsRawNames,
  plant,
  plantFew,
  remove,
  word,
} from "../support/raw_names.ts";
import { withTemp } from "../support/temp.ts";
import { differences } from "../support/xattrs.ts";

/**
 * Runs `work` with a folder that has such names, and another folder for
 * archives.
 */
async function withPlanted(
  plant: (folder: string) => void,
  work: (root: string, folder: string) => Promise<void>,
): Promise<void> {
  await withTemp(async (temp) => {
    const folder = join(temp, "work");
    run("mkdir", [folder]);
    try {
      const root = join(folder, "root");
      plant(root);
      await work(root, folder);
    } finally {
      remove(folder);
    }
  });
}

/**
 * The programs, and the locales in which they extract. bsdtar converts names
 * that are valid UTF-8 to the locale.
 */
const PROGRAMS: [program: string, words: string[], locales: string[]][] = [
  ["tar", ["--warning=no-unknown-keyword"], ["C", "C.UTF-8"]],
  ["bsdtar", [], ["C.UTF-8"]],
];

/** Creates the folder without the one name that bsdtar changes. */
function plantMost(folder: string): void {
  plant(folder);
  // The formats without pax records have whole seconds only.
  bash(folder, [`rm ${word("\\")}`], 1_500_000_000);
}

/** Asserts that a tree was extracted, except for the root folder. */
function assertExtracted(root: string, target: string): void {
  run("touch", ["-r", root, target]);
  assert.equal(differences(root, target), "");
}

for (const [program, words, locales] of PROGRAMS) {
  const needed = needsRawNames.skip ? needsRawNames : needs(program);

  test(`${program} extracts archives of deltar`, needed, async () => {
    await withPlanted(plantMost, async (root, folder) => {
      const storage = new LocalStorage(join(folder, "archives"));
      const writer = TarVolume.create(storage, "a");
      await writer.addTree(new Walker(root, { excludes: [] }));
      await writer.close();
      for (const locale of locales) {
        const target = join(folder, `target-${locale}`);
        run("mkdir", [target]);
        const { status, stderr } = spawnSync(
          program,
          [...words, "-xpf", join(folder, "archives/a.vol0.tgz")],
          { cwd: target, env: { ...process.env, LC_ALL: locale } },
        );
        assert.deepEqual([status, String(stderr)], [0, ""]);
        assertExtracted(root, target);
      }
    });
  });

  test(`deltar extracts archives of ${program}`, needed, async () => {
    await withPlanted(plantMost, async (root, folder) => {
      for (const format of ["gnu", "pax"]) {
        if (program === "bsdtar" && format === "gnu") continue;
        const archives = join(folder, format);
        run("mkdir", [archives]);
        run(program, [`--format=${format}`, "-cf", `${archives}/a.tar`, "."], {
          cwd: root,
          env: { ...process.env as Record<string, string>, LC_ALL: "C.UTF-8" },
        });
        const volume = TarVolume.fromVolumes(
          new LocalStorage(archives),
          ["a.tar"],
        );
        const target = join(folder, `target-${format}`);
        const skipped: Skipped[] = [];
        await volume.extractAll(target, { onSkip: (one) => skipped.push(one) });
        assert.deepEqual(skipped, []);
        assertExtracted(root, target);
      }
    });
  });
}

for (const way of ["with the index", "without the index"]) {
  test(
    `members that cannot be created are named, ${way}`,
    needsRawNames,
    async () => {
      await withPlanted(plantFew, async (root, folder) => {
        const storage = new MemoryStorage();
        const writer = TarVolume.create(storage, "a");
        await writer.addTree(new Walker(root, { excludes: [] }));
        await writer.close();
        const volume = way === "with the index"
          ? await TarVolume.open(storage, "a")
          : TarVolume.fromVolumes(storage, ["a.vol0.tgz"]);
        const target = join(folder, "target");
        const skipped: Skipped[] = [];
        useFolderAccess("paths");
        try {
          await volume.extractAll(target, {
            onSkip: (one) => skipped.push(one),
          });
        } finally {
          useFolderAccess(undefined);
        }
        assert.deepEqual(
          skipped.map(({ path, reason }) => `${reason} ${path}`),
          [
            "caf\udce9.txt",
            "d\udcf0r",
            "d\udcf0r/f\udcff",
            "hard\udce8",
            "link",
          ]
            .map((path) => `name ${path}`),
        );
        const found = run("ls", ["-A", target]);
        assert.equal(new TextDecoder().decode(found), "caf\\xe9.txt\nplain\n");
        await volume.extractAll(join(folder, "whole"));
        assertExtracted(root, join(folder, "whole"));
      });
    },
  );
}
