import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toBase64 } from "../../lib/bytes/base64.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { decodeEntry, encodeEntry } from "../../lib/tree/entry_line.ts";
import { TreeWriter } from "../../lib/tree/tree_writer.ts";
import { Walker } from "../../lib/tree/walker.ts";
import {
  isSameXattrs,
  MAX_XATTR_BYTES,
  readXattrs,
  type XattrAccess,
  type Xattrs,
} from "../../lib/tree/xattrs.ts";
import { withTemp } from "../support/temp.ts";
import {
  needsXattrs,
  needsXattrsOfRoot,
  setXattr,
  shownXattrs,
} from "../support/xattrs.ts";

const META = { mode: 0o644, mtime: 0n, uid: 0, gid: 0 };

/** Access to attributes in memory. */
class Attributes implements XattrAccess {
  readonly all: Map<string, Uint8Array>;

  constructor(all: Iterable<[string, Uint8Array]>) {
    this.all = new Map(all);
  }

  list(): string[] {
    return [...this.all.keys()];
  }

  get(name: string): Uint8Array {
    const value = this.all.get(name);
    if (value !== undefined) return value;
    throw Object.assign(new Error("no such attribute"), { code: "ENODATA" });
  }

  set(name: string, value: Uint8Array): void {
    this.all.set(name, value);
  }

  remove(name: string): void {
    this.all.delete(name);
  }
}

test("isSameXattrs() compares only attributes that were read", () => {
  const some = { "user.a": "MQ==" };
  assert.ok(isSameXattrs(undefined, some));
  assert.ok(isSameXattrs({}, undefined));
  assert.ok(isSameXattrs({ ...some }, some));
  assert.ok(!isSameXattrs(some, undefined), "they were found now");
  assert.ok(!isSameXattrs(some, {}));
  assert.ok(!isSameXattrs({}, some));
  assert.ok(!isSameXattrs({ "user.a": "Mg==" }, some));
  assert.ok(!isSameXattrs({ "user.b": "MQ==" }, some));
});

test("readXattrs() returns four namespaces, and refuses more than 256 KiB", () => {
  const one = new Uint8Array([1]);
  const kept = [
    "security.capability",
    "system.posix_acl_access",
    "trusted.a",
    "user.a",
  ];
  const other = ["btrfs.compression", "system.nfs4_acl", "user"];
  const names = [...other, ...kept].map((name): [string, Uint8Array] => [
    name,
    one,
  ]);
  assert.deepEqual(Object.keys(readXattrs(new Attributes(names))), kept);
  const large = (count: number) =>
    new Attributes(
      Array.from({ length: count }, (_, at): [string, Uint8Array] => [
        `user.${at}`,
        new Uint8Array(MAX_XATTR_BYTES - 100),
      ]),
    );
  assert.equal(Object.keys(readXattrs(large(4))).length, 4);
  assert.throws(() => readXattrs(large(5)), { code: "limit" });
});

test("readXattrs() stops if an attribute cannot be read, and ignores one that vanished", () => {
  const denied = new Attributes([["user.a", new Uint8Array(1)]]);
  denied.get = () => {
    throw Object.assign(new Error("denied"), { code: "EACCES" });
  };
  assert.throws(() => readXattrs(denied), { code: "EACCES" });
  const vanished = new Attributes([]);
  vanished.list = () => ["user.gone"];
  assert.deepEqual(readXattrs(vanished), {});
  const none = new Attributes([]);
  none.list = () => {
    throw Object.assign(new Error("not supported"), { code: "ENOTSUP" });
  };
  assert.deepEqual(readXattrs(none), {});
});

test("the line of an entry distinguishes attributes, no attributes, and unread ones", () => {
  const entry = { path: "a", kind: "directory", size: 0, ...META } as const;
  const kinds: (Xattrs | undefined)[] = [
    undefined,
    {},
    { "user.a": "", "user.b": "AA==" },
  ];
  for (const xattrs of kinds) {
    const line = encodeEntry({ ...entry, xattrs });
    const text = JSON.parse(JSON.stringify(line));
    assert.deepEqual(decodeEntry(text, "tree", 0).xattrs, xattrs);
  }
  const bad = [
    [],
    "user.a",
    null,
    { "user.a": 1 },
    { "user.a": "?" },
    { "user.a": "A" },
    { "user\0.a": "" },
    { user: "" },
    { [`user.${"a".repeat(255)}`]: "" },
    { "user.a": toBase64(new Uint8Array(2 * MAX_XATTR_BYTES)) },
    JSON.parse('{"__proto__":""}'),
  ];
  for (const xattrs of bad) {
    const line = { ...encodeEntry(entry), xattrs };
    assert.throws(() => decodeEntry(line, "tree", 7), {
      code: "corrupt",
      offset: 7,
    }, JSON.stringify(xattrs));
  }
});

test(
  "a change of only the attributes is a change, even of a folder",
  needsXattrs,
  async () => {
    await withTemp(async (root) => {
      fs.mkdirSync(join(root, "folder"));
      fs.writeFileSync(join(root, "file"), "1");
      fs.writeFileSync(join(root, "other"), "1");
      const walker = new Walker(root);
      const before = await DirIndex.of(walker);
      assert.deepEqual(before.get("file")?.xattrs, {});
      setXattr(join(root, "file"), "user.a", "1");
      setXattr(join(root, "folder"), "user.b", "0x00ff");
      const after = await DirIndex.of(walker);
      const diff = DiffIndex.compute(after, before);
      assert.deepEqual(diff.touched, ["file", "folder"]);
      assert.equal(diff.changes.length, 2);
      assert.deepEqual(after.get("folder")?.xattrs, { "user.b": "AP8=" });
      const read = DirIndex.decode(after.encode());
      assert.ok(DiffIndex.compute(read, after).isEmpty);
      const without = await DirIndex.of(new Walker(root, { xattrs: false }));
      assert.equal(without.get("file")?.xattrs, undefined);
      assert.ok(DiffIndex.compute(without, after).isEmpty);
    });
  },
);

test(
  "Walker reads attributes only if it is asked to",
  needsXattrs,
  async () => {
    await withTemp((root) => {
      fs.writeFileSync(join(root, "file"), "1");
      setXattr(join(root, "file"), "user.a", "1");
      const walker = new Walker(root);
      const [plain] = [...walker.entries()];
      const [whole] = [...walker.entries({ xattrs: true })];
      assert.equal(plain.xattrs, undefined);
      assert.deepEqual(whole.xattrs, { "user.a": "MQ==" });
    });
  },
);

test(
  "TreeWriter sets, replaces and removes attributes, and keeps those without a record",
  needsXattrs,
  async () => {
    await withTemp(async (root) => {
      const content = new Uint8Array(1);
      const file = join(root, "file");
      const write = async (xattrs?: Record<string, string>) => {
        const writer = new TreeWriter(root);
        await writer.file("file", content, { ...META, mode: 0o444, xattrs });
        writer.finish();
        return shownXattrs(root);
      };
      assert.match(await write({ "user.a": "MQ==" }), /user\.a=0sMQ==/);
      execFileSync("setfacl", ["-m", "u:12345:rw", file]);
      const kept = await write();
      assert.match(kept, /user\.a=0sMQ==/);
      assert.match(kept, /system\.posix_acl_access=/);
      assert.equal(fs.statSync(file).mode & 0o777, 0o444);
      assert.equal(await write({}), "");
      const writer = new TreeWriter(root);
      writer.touch("file", { ...META, xattrs: { "user.b": "Mg==" } });
      writer.finish();
      assert.match(shownXattrs(root), /user\.b=0sMg==/);
    });
  },
);

test(
  "TreeWriter does not copy the ACL of a replaced file of another owner",
  needsXattrsOfRoot,
  async () => {
    await withTemp(async (root) => {
      for (const [name, owner] of [["mine", 0], ["theirs", 65534]] as const) {
        const place = join(root, name);
        fs.writeFileSync(place, "1");
        execFileSync("setfacl", ["-m", "u:65534:rw", place]);
        setXattr(place, "user.a", "1");
        fs.chownSync(place, owner, owner);
      }
      const writer = new TreeWriter(root);
      for (const name of ["mine", "theirs"]) {
        await writer.file(name, new Uint8Array(1), META);
      }
      writer.finish();
      const shown = shownXattrs(root);
      assert.match(
        shown,
        /# file: mine\nsystem\.posix_acl_access=.*\nuser\.a=/,
      );
      assert.doesNotMatch(shown, /theirs/);
    });
  },
);

test(
  "TreeWriter names an attribute that the disk refuses, and writes the file",
  needsXattrs,
  async () => {
    await withTemp(async (root) => {
      const named: string[] = [];
      const xattrs = { "user.good": "MQ==", "security.capability": "MQ==" };
      const writer = new TreeWriter(root, {
        onUnset: (path, { message }) => named.push(`${path}: ${message}`),
      });
      await writer.file("file", new Uint8Array(1), { ...META, xattrs });
      writer.finish();
      assert.equal(named.length, 1);
      assert.match(
        named[0],
        /^file: .*cannot set the extended attribute security\.capability: /,
      );
      assert.match(shownXattrs(root), /user\.good=0sMQ==/);
      const strict = new TreeWriter(root);
      await assert.rejects(
        strict.file("strict", new Uint8Array(1), { ...META, xattrs }),
        { code: "io", path: "strict" },
      );
      strict.finish();
      assert.ok(!fs.existsSync(join(root, "strict")));
    });
  },
);

test(
  "new files in a folder with a default ACL get no ACL that they did not have",
  needsXattrs,
  async () => {
    await withTemp(async (root) => {
      execFileSync("setfacl", ["-d", "-m", "u:12345:rwx", root]);
      const writer = new TreeWriter(root);
      const plain = { ...META, xattrs: {} };
      await writer.file("plain", new Uint8Array(1), plain);
      writer.directory("folder", { ...plain, mode: 0o755 });
      writer.finish();
      const shown = execFileSync("getfacl", ["-cs", "plain", "folder"], {
        cwd: root,
        encoding: "utf8",
      });
      assert.equal(shown, "", "-s passes over entries with only a mode");
    });
  },
);
