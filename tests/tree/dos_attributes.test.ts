import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeDosAttributes,
  DOS_ATTRIBUTES,
  DosAttributes,
} from "../../lib/tree/dos_attributes.ts";
import {
  changeXattrs,
  NO_XATTRS,
  readXattrs,
  xattrChanges,
  type Xattrs,
} from "../../lib/tree/xattrs.ts";

/** The attributes of a path that does not exist. */
const MISSING = 0xffff_ffff;

/** Returns access to a file with these attributes, and the file. */
function fileWith(attributes: number) {
  const file = {
    attributes,
    isWritable: true,
    read: () => file.attributes,
    write: (bits: number) => {
      if (file.isWritable) file.attributes = bits;
      return file.isWritable;
    },
  };
  return { file, access: new DosAttributes("C:\\a", file) };
}

/** Gives a file the wanted attributes, and returns the failures. */
function change(access: DosAttributes, wanted: Xattrs) {
  return changeXattrs(access, xattrChanges(access, wanted));
}

test(`"hidden" and "system" are stored as one attribute, in hexadecimal`, () => {
  const values = [[0x20, undefined], [0x22, "0x2"], [4, "0x4"], [6, "0x6"]];
  for (const [attributes, value] of values) {
    const { access } = fileWith(attributes as number);
    assert.deepEqual(
      readXattrs(access),
      value === undefined ? NO_XATTRS : { [DOS_ATTRIBUTES]: btoa(`${value}`) },
    );
  }
});

test("other attributes of a file do not change", () => {
  const { file, access } = fileWith(0x10 | 0x21);
  assert.deepEqual(change(access, { [DOS_ATTRIBUTES]: btoa("0x6") }), []);
  assert.equal(file.attributes, 0x27);
  assert.deepEqual(change(access, NO_XATTRS), []);
  assert.equal(file.attributes, 0x21);
  const bare = fileWith(2);
  assert.deepEqual(change(bare.access, NO_XATTRS), []);
  assert.equal(bare.file.attributes, 0x80);
});

test("attributes that Windows cannot store are not set", () => {
  const { file, access } = fileWith(0x20);
  assert.deepEqual(change(access, { "user.comment": btoa("hello") }), []);
  assert.equal(file.attributes, 0x20);
});

test("a failure to read or set attributes is an error with a code", () => {
  assert.throws(() => readXattrs(fileWith(MISSING).access), { code: "ENOENT" });
  const { file, access } = fileWith(0x20);
  const bad = change(access, { [DOS_ATTRIBUTES]: btoa("hidden") });
  assert.deepEqual(bad.map(({ name }) => name), [DOS_ATTRIBUTES]);
  file.isWritable = false;
  const [denied] = change(access, { [DOS_ATTRIBUTES]: btoa("0x2") });
  assert.equal((denied.error as { code: string }).code, "EACCES");
});

test("decodeDosAttributes() reads a number, and ignores everything after a NUL", () => {
  const read = (text: string) =>
    decodeDosAttributes(new TextEncoder().encode(text));
  assert.equal(read("0x2"), 2);
  assert.equal(read("0x26\0"), 6);
  assert.equal(read("0x22\0\x03\0"), 2);
  for (const other of ["", "2", "0x", "0xg", "0x123456789", "\0\0\x03"]) {
    assert.equal(read(other), undefined, other);
  }
});
