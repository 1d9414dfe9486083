import assert from "node:assert/strict";
import { test } from "node:test";
import { foldName, isOwnName, nameFault } from "../../lib/tree/name.ts";

test("nameFault() refuses names that Windows treats as a path, stream or device [R1]", () => {
  const refused = [
    "..\\..\\evil1.txt",
    "back\\x",
    "C:evil",
    "file:stream",
    "file::$DATA",
    "CON",
    "con.txt",
    "NUL .tar.gz",
    "Aux",
    "prn.",
    "COM1",
    "lpt9.log",
    "COM0",
    "COM\u00b9",
    "LPT\u00b3.txt",
    "CONIN$",
    "conout$.x",
    "dot.",
    "blank ",
    "a<b",
    "a>b",
    'a"b',
    "a|b",
    "a?b",
    "a*b",
    "tab\t",
    "line\n",
    "\u0001",
    "x".repeat(256),
  ];
  for (const name of refused) {
    assert.ok(nameFault(name, "win32"), JSON.stringify(name));
  }
  const fit = [
    "a.txt",
    ".hidden",
    "CONSOLE",
    "com10",
    "COMX",
    "nul-l",
    "a b.c",
    "\u00e9",
    "PROGRA~1",
    "x".repeat(255),
  ];
  for (const name of fit) {
    assert.equal(nameFault(name, "win32"), undefined, JSON.stringify(name));
  }
});

test("nameFault() on Linux and macOS refuses only names that these systems cannot have [R1]", () => {
  for (const platform of ["linux", "darwin"]) {
    for (const name of ["a\\b", "C:x", "NUL", "dot.", "blank ", "a*?", "\t"]) {
      assert.equal(nameFault(name, platform), undefined, name);
    }
    for (const name of ["", ".", "..", "a/b", "a\0b", "\ud800", "x\udc00"]) {
      assert.ok(nameFault(name, platform), JSON.stringify(name));
    }
  }
  assert.ok(nameFault("\u00e9".repeat(128), "linux"));
  assert.equal(nameFault("\u00e9".repeat(127), "linux"), undefined);
  assert.equal(nameFault("\u00e9".repeat(128), "darwin"), undefined);
});

test("nameFault() refuses the names of deltar's temporary files [A9]", () => {
  const own = ".deltar-stage-p1-01234567-89abcdef-journal";
  for (const platform of ["linux", "darwin", "win32"]) {
    assert.ok(nameFault(own, platform));
    assert.ok(nameFault(".deltar-stage-x", platform));
  }
  for (
    const name of [
      ".DELTAR-STAGE-x",
      ".deltar-\u017ftage-x",
      ".delt\u200car-stage-x",
    ]
  ) {
    assert.ok(isOwnName(name));
    assert.ok(nameFault(name, "darwin"), name);
    assert.ok(nameFault(name, "win32"), name);
  }
});

test("foldName() is equal for all names that some disk treats as equal", () => {
  const alike = [
    ["File.txt", "file.TXT", "FILE.TXT"],
    ["caf\u00e9", "cafe\u0301", "CAF\u00c9"],
    ["\u1e9e", "ss", "SS", "\u00df"],
    ["\u212b", "\u00c5", "A\u030a", "\u00e5"],
    ["K", "k", "\u212a"],
    ["a\u200cb", "AB"],
  ];
  for (const names of alike) {
    assert.equal(new Set(names.map(foldName)).size, 1, names.join());
  }
  assert.notEqual(foldName("a"), foldName("b"));
});
