/**
 * The usage that the README of incremental-backups-tools shows (tsileo, commit
 * 77285ea), line by line.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  applyDiff,
  DiffData,
  DiffIndex,
  Dir,
  DirIndex,
  LocalStorage,
  TarVolume,
} from "../../mod.ts";
import { withTemp } from "../support/temp.ts";

test("indexes, a difference, its data, and applying it", async () => {
  await withTemp(async (home) => {
    const mydir = join(home, "mydir");
    fs.mkdirSync(mydir);
    fs.writeFileSync(join(mydir, "file1"), "first");
    fs.cpSync(mydir, join(home, "initial"), {
      recursive: true,
      preserveTimestamps: true,
    });

    // d = Dir('/home/thomas/mydir')
    const d = new Dir(mydir);
    // DirIndex(d).to_file('/home/thomas/mydir.index')
    await (await DirIndex.of(d)).toFile(join(home, "mydir.index"));

    // old_dir_index_data = DirIndex.from_file('/home/thomas/mydir.index')
    const oldIndex = await DirIndex.fromFile(join(home, "mydir.index"));

    // Make some changes in the directory
    fs.writeFileSync(join(mydir, "file1"), "second");
    fs.writeFileSync(join(mydir, "file2"), "new");

    // dir_index_data = DirIndex(d).data()
    const index = await DirIndex.of(d);
    // diff_index = DiffIndex(dir_index_data, old_dir_index_data).compute()
    const diffIndex = DiffIndex.compute(index, oldIndex);
    // diff_archive = '/home/thomas/mydir.diff.tgz'
    const diffArchive = join(home, "mydir.diff.tgz");
    // DiffData(diff_index).create_archive(diff_archive)
    await new DiffData(diffIndex, d, oldIndex).createArchive(diffArchive);

    // apply_diff('/home/thomas/mydir', diff_index, diff_archive)
    const initial = join(home, "initial");
    await applyDiff(initial, diffIndex, diffArchive);
    assert.deepEqual(fs.readdirSync(initial), fs.readdirSync(mydir));
    assert.equal(fs.readFileSync(join(initial, "file1"), "utf8"), "second");
  });
});

test("a directory is stored in volumes, as paths or as a whole, and extracted", async () => {
  await withTemp(async (tmp) => {
    const mydir = join(tmp, "mydir");
    fs.mkdirSync(join(mydir, "sub"), { recursive: true });
    fs.writeFileSync(join(mydir, "file1"), "one");
    fs.writeFileSync(join(mydir, "sub/file2"), "two");
    const storage = new LocalStorage(join(tmp, "volumes"));

    // mydir_dir = Dir('/home/thomas/mydir')
    const dir = new Dir(mydir);
    // tar_volume = TarVolume.open('/tmp', mydir_dir.directory, mode='w')
    // archives, volume_index = tar_volume.addDir(mydir_dir)
    const index = await TarVolume.compress(dir, storage, "mydir");

    // tar_volume.add('file1')
    const writer = TarVolume.create(storage, "parts", { tree: dir });
    await writer.add("file1");
    await writer.add("sub");
    // tar_volume.close()
    await writer.close();
    const parts = await TarVolume.open(storage, "parts");
    const paths: string[] = [];
    for await (const { path } of parts.members()) paths.push(path);
    assert.deepEqual(paths, ["file1", "sub", "sub/file2"]);

    // tar_volume = TarVolume.open('/tmp', 'mydir', mode='r', volume_index=volume_index)
    const archive = await TarVolume.open(storage, "mydir", { index });
    // tar_volume.extractall('/tmp')
    const all = join(tmp, "all");
    fs.mkdirSync(all);
    await archive.extractAll(all);
    assert.equal(fs.readFileSync(join(all, "sub/file2"), "utf8"), "two");
    // tar_volume.extract('mydir/file1', '/tmp')
    const one = join(tmp, "one");
    fs.mkdirSync(one);
    await archive.extract("file1", one);
    assert.deepEqual(fs.readdirSync(one), ["file1"]);
    // file1 = tar_volume.extractfile('mydir/file1')
    const file1 = archive.extractFile("file1");
    assert.equal(await new Response(file1).text(), "one");

    // The names of the volumes are given, because the archive has no index.
    const given = await TarVolume.open(storage, "mydir", {
      index: null,
      volumes: archive.volumes,
    });
    const again = await new Response(given.extractFile("file1")).text();
    assert.equal(again, "one");
  });
});

test("TarVolumeWriter.add() of a path that is not in the tree fails with not-found", async () => {
  await withTemp(async (tmp) => {
    fs.mkdirSync(join(tmp, "mydir"));
    const writer = TarVolume.create(new LocalStorage(join(tmp, "v")), "x", {
      tree: new Dir(join(tmp, "mydir")),
    });
    await assert.rejects(writer.add("gone"), {
      code: "not-found",
      path: "gone",
    });
    await writer.abort();
  });
});
