/**
 * Names and link targets that are not valid UTF-8, which are kept byte for
 * byte.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { DiffData } from "../../lib/archive/diff_data.ts";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { useFolderAccess } from "../../lib/tree/open_folder.ts";
import { decodeName } from "../../lib/tree/raw_name.ts";
import { run, runText } from "../support/peer.ts";
import {
  bash,
  change,
  file,
  needsRawNames,
  plant,
  plantFew,
  remove,
  SINGLE,
  word,
} from "../support/raw_names.ts";
import { withTemp } from "../support/temp.ts";
import { differences } from "../support/xattrs.ts";
import { everything } from "./helpers.ts";

/** Runs `work` in a temporary folder. */
function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  return withTemp(async (temp) => {
    const folder = join(temp, "work");
    run("mkdir", [folder]);
    try {
      await work(folder);
    } finally {
      remove(folder);
    }
  });
}

/** Copies a folder with all metadata. */
function copyFolder(from: string, to: string): void {
  run("cp", ["-a", from, to]);
}

/** The repositories in which such names are stored. */
const STORED: Record<string, () => Promise<Repository>> = {
  "plain": () => Repository.create(new MemoryStorage()),
  "encrypted": async () => {
    const identity = await newIdentity();
    const to = await recipientOf(identity);
    return await Repository.create(new MemoryStorage(), {
      encrypt: { name: "main", to },
    });
  },
};

for (const [kind, create] of Object.entries(STORED)) {
  test(
    `names of all bytes are stored and restored in a repository that is ${kind}`,
    needsRawNames,
    async () => {
      await withFolder(async (folder) => {
        const [root, target, before] = ["root", "target", "before"]
          .map((name) => join(folder, name));
        plant(root);
        const repository = await create();
        const first = await repository.snapshot(everything(root));
        assert.deepEqual(first.skipped, []);
        assert.equal(first.record.counts.directories, 3);
        assert.equal(first.record.counts.links, 5);
        assert.equal(
          (await repository.snapshot(everything(root))).isNew,
          false,
        );
        const options = { delete: true, rootAttributes: true };
        const made = await repository.restore(first.record, target, options);
        assert.deepEqual(made.failed, []);
        assert.equal(differences(root, target), "");

        copyFolder(root, before);
        change(root);
        const second = await repository.snapshot(everything(root));
        assert.deepEqual(
          second.diff.changes.flatMap((one) =>
            one.change === "touched"
              ? []
              : `${one.change} ${
                "entry" in one ? one.entry.path : one.before.path
              }`
          ),
          [
            "updated aplainhard",
            "updated caf\udce9.txt",
            "updated d\udcf0r/in\udcedner/f\udcff",
            "renamed d\udcf0r/moved\udcea",
            "deleted empty\udced\udcb3\udcbf",
            "updated hard\udce8",
            "deleted lar\udce7e",
            "updated li\udca0nk",
            "created ne\udcb1w",
            "deleted \udcfe",
          ],
        );
        const over = await repository.restore(second.record, target, options);
        assert.deepEqual([over.failed, over.left], [[], []]);
        assert.equal(differences(root, target), "");
        await repository.revert(target);
        assert.equal(differences(before, target), "");
        await repository.revert(target, { direction: "redo" });
        assert.equal(differences(root, target), "");

        const content = await collect(
          await repository.readFile(
            second.record,
            "d\udcf0r/in\udcedner/f\udcff",
          ),
        );
        assert.equal(content.length, 2500);
        assert.equal(content[700], "b".charCodeAt(0));
        const versions = await Array.fromAsync(
          repository.history(second.record, "li\udca0nk"),
        );
        assert.equal(versions.length, 2);
        const verified = await repository.verify({ data: true });
        assert.deepEqual(verified.damage, []);
      });
    },
  );
}

/** An arbitrary name as bytes, each as one character. */
const anyName = fc.array(
  fc.oneof(
    fc.constantFrom("\xc3", "\xa9", "\xed", "\xb3", "\xbf", "\xf0", "\\", "x"),
    fc.constantFrom(...SINGLE),
  ),
  { minLength: 1, maxLength: 255 },
).map((bytes) => bytes.join("")).filter((name) => name !== "..");

test(
  "random names are restored, including their folders and links",
  needsRawNames,
  async () => {
    const names = fc.uniqueArray(anyName, { minLength: 4, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(names, (names) =>
        withFolder(async (folder) => {
          const [root, target] = [join(folder, "root"), join(folder, "target")];
          run("mkdir", [root]);
          const [sub, first] = names;
          const commands = names.map((name, at) =>
            at === 0
              ? `mkdir ${word(name)}; ${file(`${sub}/${name}`)}`
              : at % 4 === 1
              ? file(name)
              : at % 4 === 2
              ? `ln -s ${word(name)} ${word(name)}`
              : at % 4 === 3
              ? `ln ${word(first)} ${word(name)}`
              : `mkdir ${word(name)}; ln ${word(first)} ${
                word(`${sub}/x${at}`)
              }`
          );
          bash(root, commands);
          const repository = await Repository.create(new MemoryStorage());
          const { record, skipped } = await repository.snapshot(
            everything(root),
          );
          assert.deepEqual(skipped, []);
          await repository.restore(record, target, { rootAttributes: true });
          assert.equal(differences(root, target), "");
        })),
      { numRuns: 8 },
    );
  },
);

test(
  "copyTo(), and a prune that repacks volumes, keep such names",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const root = join(folder, "root");
      run("mkdir", [root]);
      bash(
        root,
        Array.from(
          "\xe1\xe2\xe3\xe4",
          (name) => `head -c 1300000 /dev/urandom > ${word(name)}`,
        ),
      );
      const repository = await Repository.create(new MemoryStorage());
      await repository.snapshot(everything(root));
      for (const gone of "\xe2\xe3") {
        bash(root, [`rm ${word(gone)}`, `printf more >> ${word("\xe1")}`]);
        await repository.snapshot(everything(root));
        const rules = { grace: 0, repackBelow: 1, patience: 4 };
        const { repacked } = await repository.prune({ last: 1 }, rules);
        assert.ok(repacked > 0);
      }
      const other = await Repository.create(new MemoryStorage());
      await repository.copyTo(other, await repository.snapshots());
      for (const [at, one] of [repository, other].entries()) {
        assert.deepEqual((await one.verify({ data: true })).damage, []);
        const [record] = await one.snapshots();
        const target = join(folder, `target${at}`);
        await one.restore(record, target, { rootAttributes: true });
        assert.equal(differences(root, target), "");
      }
    });
  },
);

test(
  "restore() of some such paths keeps the others",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const [root, target] = [join(folder, "root"), join(folder, "target")];
      plantFew(root);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      const paths = ["d\udcf0r", "hard\udce8"];
      await repository.restore(record, target, { paths });
      assert.deepEqual(listed(target), [
        "./d\xf0r",
        "./d\xf0r/f\xff",
        "./hard\xe8",
      ]);
      // Bytes that are valid UTF-8 have only one spelling.
      await assert.rejects(
        repository.restore(record, target, {
          paths: ["d\udcf0r/\udcc3\udca9"],
        }),
        { code: "not-found" },
      );
    });
  },
);

/** Returns the paths in a folder, each byte as one character. */
function listed(folder: string): string[] {
  const bytes = run("find", [".", "-mindepth", "1", "-print0"], {
    cwd: folder,
  });
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")
    .split("\0").slice(0, -1).sort();
}

test(
  "restore() replaces a folder with such names, and an undo brings it back",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const [root, target] = [join(folder, "root"), join(folder, "target")];
      run("mkdir", [root]);
      bash(root, ["echo > d"]);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      run("mkdir", [target]);
      bash(target, [
        `mkdir -p ${word("d/\xf0")}`,
        file("d/\xf0/f\xff"),
        file("d/\xef\xbf\xbd"),
      ]);
      const before = join(folder, "before");
      copyFolder(target, before);
      const options = { delete: true, rootAttributes: true };
      const { failed } = await repository.restore(record, target, options);
      assert.deepEqual(failed, []);
      assert.equal(differences(root, target), "");
      await repository.revert(target);
      assert.equal(differences(before, target), "");
    });
  },
);

test(
  "exclude rules match bytes, and lists of paths can have such names",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const root = join(folder, "root");
      plantFew(root);
      bash(root, [`printf 'f\\377\\ncaf[\\351]*\\n' > .deltarignore`]);
      const repository = await Repository.create(new MemoryStorage());
      const { record, skipped } = await repository.snapshot(everything(root));
      const { byPath } = await repository.tree(record);
      assert.equal(byPath.has("d\udcf0r"), true);
      assert.deepEqual(
        skipped.map(({ path, reason }) => `${reason} ${path}`),
        ["excluded caf\udce9.txt", "excluded d\udcf0r/f\udcff"],
      );
    });
  },
);

test(
  "a difference with such names is stored and applied",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const [root, old] = [join(folder, "root"), join(folder, "old")];
      plant(root);
      copyFolder(root, old);
      change(root);
      const index = (root: string) => DirIndex.of(everything(root));
      const before = await index(old);
      const after = await index(root);
      assert.deepEqual(DirIndex.decode(after.encode()).entries, after.entries);
      const diff = DiffIndex.compute(after, before);
      assert.deepEqual(DiffIndex.decode(diff.encode()).changes, diff.changes);
      const archive = join(folder, "diff.tgz");
      await new DiffData(diff, everything(root), before).createArchive(archive);
      await applyDiff(old, diff, archive);
      assert.equal(differences(root, old), "");
    });
  },
);

test(
  "records and indexes with such names have a later version, and `raw`",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const root = join(folder, "root");
      plantFew(root);
      const storage = new MemoryStorage();
      const repository = await Repository.create(storage);
      const { record } = await repository.snapshot(everything(root));
      const bytes = storage.objects.get(`snapshots/${record.id}.json`)!;
      const header = JSON.parse(new TextDecoder().decode(bytes).split("\n")[0]);
      assert.deepEqual([header.version, header.layers[0].raw], [3, true]);
      const lines = new TextDecoder().decode(
        (await DirIndex.of(everything(root))).encode(),
      ).trim().split("\n").map((line) => JSON.parse(line));
      assert.equal(lines[0].version, 2);
      assert.deepEqual(
        lines.flatMap(({ raw }) => raw ? [raw] : []),
        [
          { path: "caf\\351.txt" },
          { path: "d\\360r" },
          { path: "d\\360r/f\\377" },
          { path: "hard\\350", target: "caf\\351.txt" },
          { target: "./to\\303" },
        ],
      );
      // The first one is an additional layer, and then there is a new first
      // layer.
      bash(root, [`rm ${word("caf\xe9.txt")}`]);
      const second = (await repository.snapshot(everything(root))).record;
      assert.ok(second.layers.some(({ raw }) => raw));
      remove(root);
      run("mkdir", [root]);
      bash(root, Array.from({ length: 100 }, (_, at) => `echo > ${at}`));
      const last = (await repository.snapshot(everything(root))).record;
      assert.ok(last.layers.every(({ raw }) => raw === undefined));
    });
  },
);

test(
  "runtimes that cannot use such names name them, and nothing is lost",
  needsRawNames,
  async () => {
    await withFolder(async (folder) => {
      const [root, target] = [join(folder, "root"), join(folder, "target")];
      plantFew(root);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      useFolderAccess("paths");
      try {
        const { failed } = await repository.restore(record, target);
        assert.deepEqual(
          failed.map(({ path }) => path),
          [
            "caf\udce9.txt",
            "d\udcf0r",
            "d\udcf0r/f\udcff",
            "hard\udce8",
            "link",
          ],
        );
        for (
          const { path, error } of failed.filter(({ path }) => path !== "link")
        ) {
          assert.match(error.message, /not valid UTF-8|folder/, path);
        }
        assert.deepEqual(listed(target), ["./caf\\xe9.txt", "./plain"]);
        const copy = join(folder, "copy");
        copyFolder(root, copy);
        bash(root, ["echo > new"]);
        const { skipped } = await repository.snapshot(everything(root));
        const reasons = skipped.map(({ reason }) => reason);
        assert.deepEqual(reasons.sort(), [
          "name",
          "name",
          "name",
          "unreadable",
        ]);
        // A file that cannot be stored first is not deleted.
        const other = join(folder, "other");
        run("mkdir", [other]);
        bash(other, [file("plain", "plain")]);
        const { record: few } = await repository.snapshot(everything(other));
        await repository.restore(few, root, {
          delete: true,
          rootAttributes: true,
        });
        for (const name of ["./caf\xe9.txt", "./d\xf0r/f\xff"]) {
          assert.ok(listed(root).includes(name));
        }
      } finally {
        useFolderAccess(undefined);
      }
    });
  },
);

test(
  "many small files with such names, in a repository on a disk, are restored",
  {
    ...needsRawNames,
  },
  async () => {
    await withFolder(async (folder) => {
      const [root, target] = [join(folder, "root"), join(folder, "target")];
      run("mkdir", [root]);
      bash(root, [
        `for n in {1..600}; do printf "%s" $n > ${word("\xe9")}$n; done`,
      ]);
      const repository = await Repository.create(
        new LocalStorage(join(folder, "repository")),
      );
      const { record } = await repository.snapshot(everything(root));
      await repository.restore(record, target, { rootAttributes: true });
      assert.equal(differences(root, target), "");
      assert.equal(runText("ls", ["-A", target]).split("\n").length, 601);
      assert.ok(
        await repository.lookup(record, decodeName(Uint8Array.of(0xe9, 0x37))),
      );
    });
  },
);
