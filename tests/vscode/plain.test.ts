import assert from "node:assert/strict";
import { test } from "node:test";
import {
  asSentence,
  breakable,
  oneLine,
  withoutIcons,
  withoutLinks,
} from "../../extension/src/host/ui/plain.ts";

test("withoutIcons() escapes only the names of icons", () => {
  const texts = [
    ["$(trash) a", "\\$(trash) a"],
    ["$(sync~spin)$(Git-Merge)", "\\$(sync~spin)\\$(Git-Merge)"],
    ["x=$(cat file); $()", "x=$(cat file); $()"],
    ["\\$(trash)", "\\\\$(trash)"],
  ];
  for (const [text, escaped] of texts) {
    assert.equal(withoutIcons(text), escaped);
  }
});

test("withoutLinks() separates the brackets of links that VS Code opens", () => {
  // The expression with which VS Code finds links in notifications, from its
  // file `linkedText.ts`.
  const link =
    /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/i;
  for (const target of ["command:a.b", "COMMAND:a", "https://a", "file:a"]) {
    const text = `No snapshot contains [a](${target}) yet.`;
    assert.match(text, link);
    const plain = withoutLinks(text);
    assert.doesNotMatch(plain, link);
    assert.equal(plain.replace("\u2060", ""), text);
  }
  assert.equal(withoutLinks("[slug](group)/a"), "[slug](group)/a");
});

test("oneLine() removes line ends and changes of the text direction", () => {
  const texts = [
    ["Sort the imports", "Sort the imports"],
    ["a\r\n\tb\u2028c\0", "a b c"],
    ["\u202egpj.exe\u2066\u200f", "gpj.exe"],
    ["\u{1f468}\u200d\u{1f4bb} \u05d0", "\u{1f468}\u200d\u{1f4bb} \u05d0"],
  ];
  for (const [text, line] of texts) assert.equal(oneLine(text), line);
});

test("breakable() lets the lines of a long path break, and of no other", () => {
  const path = "/home/somebody/projects/deltar/repositories";
  assert.equal(
    breakable(`folder: ${path}: s3://bucket/a is missing`),
    "folder: /\u200bhome/\u200bsomebody/\u200bprojects/\u200bdeltar/\u200b" +
      "repositories: s3://bucket/a is missing",
  );
  assert.equal(
    breakable("C:\\Users\\somebody\\a long name\\x"),
    "C:\\Users\\somebody\\a long name\\x",
  );
});

test("asSentence() adds a full stop where a sentence has no end", () => {
  assert.equal(asSentence("/a: no such directory"), "/a: no such directory.");
  for (const text of ["Done.", "Why?", "The disk is full. (/a, ENOSPC)"]) {
    assert.equal(asSentence(text), text);
  }
});
