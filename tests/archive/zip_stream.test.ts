/** Zips that exceed the limits of the format without zip64. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { archiveBytes } from "../../lib/archive/archive_stream.ts";
import type { ArchiveMember, TarMember } from "../../lib/archive/tar_member.ts";
import { zipLossOf } from "../../lib/archive/zip_record.ts";
import { noise } from "../support/noise.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const MEBIBYTE = 1 << 20;
const STATE = {
  mode: 0o644,
  mtime: 1_700_000_000_000_000_000n,
  uid: 0,
  gid: 0,
};

function fileOf(path: string, size: number): TarMember {
  return { path, kind: "file", size, ...STATE };
}

/** Writes members to a zip. */
async function writeZip(
  file: string,
  members: AsyncIterable<ArchiveMember>,
): Promise<void> {
  const opened = fs.openSync(file, "w");
  for await (const part of archiveBytes(members, "zip")) {
    fs.writeSync(opened, part);
  }
  fs.closeSync(opened);
}

/** Prints the number of members, the first damaged one, and some sizes. */
const PYTHON = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
print(len(archive.infolist()), archive.testzip(),
      *[archive.getinfo(name).file_size for name in sys.argv[2:]])
`;

test("a zip of more than 65,535 members is read by other programs", {
  ...needs("python3", "unzip", "bsdtar"),
}, async () => {
  await withTemp(async (folder) => {
    const zip = join(folder, "many.zip");
    const count = 70_000;
    await writeZip(
      zip,
      async function* () {
        for (let at = 0; at < count; at++) {
          const content = at % 1000 === 0 ? noise(100, at) : new Uint8Array(0);
          yield { member: fileOf(`f${at}`, content.length), content };
        }
      }(),
    );
    const read = runText("python3", ["-c", PYTHON, zip, "f69000"]);
    assert.equal(read, `${count} None 100\n`);
    for (const [program, words] of [["unzip", "-Z1"], ["bsdtar", "-tf"]]) {
      const lines = runText(program, [words, zip]).trim().split("\n");
      assert.deepEqual([lines.length, lines.at(-1)], [count, "f69999"]);
    }
    runText("unzip", ["-tqq", zip]);
  });
});

test("a zip of more than 4 GiB is read by other programs", {
  ...needs("python3", "unzip"),
  ...!process.env.SLOW && { skip: "takes minutes: set SLOW=1" },
}, async () => {
  await withTemp(async (folder) => {
    const zip = join(folder, "large.zip");
    const parts = async function* (part: Uint8Array, count: number) {
      for (let at = 0; at < count; at++) yield part;
    };
    const member = (path: string, part: Uint8Array, count: number) => ({
      member: fileOf(path, part.length * count),
      content: parts(part, count),
    });
    await writeZip(
      zip,
      async function* () {
        // Deflate cannot compress noise that repeats after 1 MiB.
        yield member("noise", noise(MEBIBYTE, 1), 4100);
        yield member("zeros", new Uint8Array(MEBIBYTE), 5000);
        yield { member: fileOf("last", 4), content: noise(4, 2) };
      }(),
    );
    assert.ok(fs.statSync(zip).size > 4100 * MEBIBYTE);
    const names = ["noise", "zeros", "last"];
    assert.equal(
      runText("python3", ["-c", PYTHON, zip, ...names]),
      `3 None ${4100 * MEBIBYTE} ${5000 * MEBIBYTE} 4\n`,
    );
    runText("unzip", ["-tqq", zip]);
  });
});

test("zipLossOf() names what a zip cannot hold", () => {
  const lossOf = (more: object) => {
    const member = { ...fileOf("f", 0), ...more } as TarMember;
    const loss = zipLossOf(member);
    return loss && [loss.canStore, loss.message];
  };
  assert.equal(lossOf({}), undefined);
  assert.equal(lossOf({ kind: "symlink", target: "\udcff" }), undefined);
  assert.equal(lossOf({ xattrs: { "security.selinux": "" } }), undefined);
  assert.deepEqual(lossOf({ kind: "block" }), [
    false,
    "a zip cannot hold a block device",
  ]);
  assert.deepEqual(lossOf({ path: "\udcff" }), [
    false,
    "a zip cannot hold a path that is not valid UTF-8",
  ]);
  for (const path of ["..\\..\\f", "folder/a\\b", "C:", "c:/f"]) {
    assert.deepEqual(lossOf({ path }), [
      false,
      "a zip cannot hold a path that has a backslash or begins with a drive " +
      "letter",
    ]);
  }
  assert.equal(lossOf({ path: "folder/c:f" }), undefined);
  assert.deepEqual(lossOf({ xattrs: { "user.a": "", "user.b": "" } }), [
    true,
    "a zip cannot hold extended attributes or ACLs (user.a, user.b)",
  ]);
  for (
    const [seconds, isHeld] of [
      ...[[-(2n ** 31n), true], [-(2n ** 31n) - 1n, false]] as const,
      ...[[2n ** 31n - 1n, true], [2n ** 31n, false]] as const,
    ]
  ) {
    const loss = lossOf({ mtime: seconds * 1_000_000_000n });
    assert.equal(loss === undefined, isHeld, `${seconds}`);
  }
  assert.deepEqual(lossOf({ uid: 2 ** 32 })?.[0], true);
});
