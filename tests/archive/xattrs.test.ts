import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { aclFromText, aclToText } from "../../lib/archive/posix_acl.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { fromBase64 } from "../../lib/bytes/base64.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, run } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import {
  differences,
  needsXattrsOfRoot,
  shownXattrs,
  writeAttributed,
} from "../support/xattrs.ts";

const GNU = ["tar", "--xattrs", "--xattrs-include=*", "--acls"];
const LIBARCHIVE = ["bsdtar", "--xattrs", "--acls"];

/** The value of an ACL, made by `setfacl -m u:1000:rw,g:1:r` on a file. */
const VALUE =
  "AgAAAAEABgD/////AgAGAOgDAAAEAAQA/////wgABAABAAAAEAAGAP////8gAAQ" +
  "A/////w==";
const TEXT =
  "user::rw-,user:1000:rw-,group::r--,group:1:r--,mask::rw-,other::r--";

test("aclToText() returns the text that tar archives have", () => {
  assert.equal(aclToText(fromBase64(VALUE)), TEXT);
  const nobody = () => undefined;
  assert.deepEqual(aclFromText(TEXT, nobody), fromBase64(VALUE));
  // libarchive writes the entries in another order, with names and numbers.
  const libarchive = "user::rw-,group::r--,other::r--,user:me:rw-:1000," +
    "group:daemon:r--:1,mask::rw-";
  assert.deepEqual(aclFromText(libarchive, nobody), fromBase64(VALUE));
  // GNU tar writes line feeds between the entries.
  const gnu = TEXT.replaceAll(",", "\n").replace("1000", "me") + "\n";
  const known = (kind: string, name: string) =>
    kind === "user" && name === "me" ? 1000 : undefined;
  assert.deepEqual(aclFromText(gnu, known), fromBase64(VALUE));
  assert.equal(aclFromText(gnu, nobody), undefined);
  for (const bad of ["", "user", "user::rwz", "other:1:r--", "x::r--"]) {
    assert.equal(aclFromText(bad, nobody), undefined, bad);
  }
  for (const bad of ["", "AQAAAA==", "AgAAAAE=", "AgAAAAAABgD/////"]) {
    assert.equal(aclToText(fromBase64(bad)), undefined, bad);
  }
});

test("a member, its index entry and the tar have the same attributes", async () => {
  const storage = new MemoryStorage();
  const xattrs = {
    "system.posix_acl_access": VALUE,
    "user.a=b%": "AA8KPQ==",
    "user.empty": "",
  };
  const writer = TarVolume.create(storage, "archive");
  await writer.add({ path: "file", xattrs }, new Uint8Array(3));
  await writer.add({ path: "bare" }, new Uint8Array(3));
  await writer.add({ path: "none", xattrs: {} }, new Uint8Array(3));
  await writer.close();
  const indexed = await TarVolume.open(storage, "archive");
  const volumes = TarVolume.fromVolumes(storage, indexed.volumes);
  for (
    const [archive, none] of [[indexed, {}], [volumes, undefined]] as const
  ) {
    const members = await Array.fromAsync(archive.members());
    const found = members.map((member) => member.xattrs);
    assert.deepEqual(found, [xattrs, undefined, none]);
  }
});

for (const program of [GNU, LIBARCHIVE]) {
  const [name] = program;
  const options = needsXattrsOfRoot.skip ? needsXattrsOfRoot : needs(name);
  test(
    `${name} extracts the attributes of a TarVolume, and the reverse`,
    options,
    async () => {
      await withTemp(async (folder) => {
        const source = join(folder, "source");
        fs.mkdirSync(source);
        writeAttributed(source);
        fs.mkdirSync(join(folder, "theirs"));
        const storage = new LocalStorage(folder);
        const writer = TarVolume.create(storage, "archive");
        await writer.addTree(new Walker(source));
        const { volumes } = await writer.close();
        // The root has no member, so its attribute is not in the archive.
        run("setfattr", ["-x", "user.root", source]);
        for (const { name } of volumes) {
          const [command, ...words] = program;
          const extract = [
            "-xpf",
            join(folder, name),
            "-C",
            join(folder, "theirs"),
          ];
          run(command, [...words, ...extract]);
        }
        assert.equal(
          shownXattrs(join(folder, "theirs")),
          expected(source, name),
        );

        const [command, ...words] = program;
        run(command, [
          ...words,
          "-cf",
          join(folder, "their.tar"),
          "-C",
          source,
          ".",
        ]);
        const theirs = TarVolume.fromVolumes(storage, ["their.tar"]);
        const faults: unknown[] = [];
        await theirs.extractAll(join(folder, "ours"), {
          onSkip: (skipped) => faults.push(skipped),
        });
        assert.deepEqual(faults, []);
        assert.equal(shownXattrs(join(folder, "ours")), shownXattrs(source));
        if (name === "tar") {
          assert.equal(differences(source, join(folder, "ours")), "");
        }
      });
    },
  );
}

test(
  "ACLs of GNU tar, which name users, get the numbers of this machine",
  needsXattrsOfRoot,
  async () => {
    await withTemp(async (folder) => {
      const source = join(folder, "source");
      fs.mkdirSync(source);
      fs.writeFileSync(join(source, "file"), "1");
      run("setfacl", ["-m", "u:daemon:rw,g:daemon:r", join(source, "file")]);
      fs.mkdirSync(join(source, "folder"));
      run("setfacl", ["-d", "-m", "u:daemon:rwx", join(source, "folder")]);
      const tar = join(folder, "their.tar");
      run("tar", ["--acls", "-cf", tar, "-C", source, "."]);
      const storage = new LocalStorage(folder);
      const theirs = TarVolume.fromVolumes(storage, ["their.tar"]);
      await theirs.extractAll(join(folder, "ours"));
      assert.equal(shownXattrs(join(folder, "ours")), shownXattrs(source));
    });
  },
);

/**
 * Returns what `getfattr` shows of a tree that a program extracted. libarchive does not
 * know how GNU tar escapes `=` and `%` in the names of attributes.
 */
function expected(root: string, program: string): string {
  const shown = shownXattrs(root);
  return program === "tar"
    ? shown
    : shown.replaceAll("user.a\\075b%=", "user.a%3Db%25=");
}

test("runtimes that cannot set attributes extract an archive with attributes", async () => {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    const writer = TarVolume.create(storage, "archive");
    // No user may set this value.
    const xattrs = { "security.capability": "MQ==" };
    await writer.add({ path: "file", xattrs }, new Uint8Array(3));
    await writer.close();
    const archive = await TarVolume.open(storage, "archive");
    await archive.extractAll(folder);
    assert.equal(fs.statSync(join(folder, "file")).size, 3);
  });
});
