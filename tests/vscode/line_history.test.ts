import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { lineHistory } from "../../extension/src/worker/line_history.ts";
import {
  MAX_SEARCHED_BYTES,
  type SearchedVersion,
} from "../../extension/src/worker/search_history.ts";
import { DeltarError } from "../../mod.ts";

const DAMAGED = "damaged";
const LARGE = "large";

/**
 * Yields versions with these texts, the newest first. Their ids count from 0.
 */
async function* versionsOf(
  texts: readonly string[],
  encode = (text: string): Uint8Array => new TextEncoder().encode(text),
): AsyncGenerator<SearchedVersion> {
  for (const [at, text] of texts.entries()) {
    yield {
      version: { id: `${at}`, time: at, path: "notes.md", size: text.length },
      find: () => {
        if (text === DAMAGED) throw new DeltarError("corrupt", "damaged");
        return Promise.resolve({
          sha256: text,
          size: text === LARGE ? MAX_SEARCHED_BYTES + 1 : text.length,
          read: () => Promise.resolve(encode(text)),
        });
      },
    };
  }
}

/** Returns the versions in which lines changed, in the order of the result. */
async function changes(
  now: string,
  range: [number, number],
  texts: readonly string[],
) {
  const { found } = await lineHistory(versionsOf(texts), now, "utf8", range);
  return found.map(({ version, before, line, count, excerpt }) =>
    [version.id, before?.id, line, count, excerpt] as const
  );
}

test("lineHistory() finds only the versions in which the lines changed", async () => {
  const texts = [
    "x\na\nB\nc\nd\n",
    "a\nB\nc\nD\n",
    "a\nb\nc\nD\n",
    "a\nb\nc\n",
    "a\nc\n",
  ];
  // The text in the editor has a line that no snapshot has.
  assert.deepEqual(await changes("new\nx\na\nB\nc\nd\n", [3, 4], texts), [
    ["1", "2", 2, 1, "B"],
    ["3", "4", 2, 1, "b"],
  ]);
  assert.deepEqual(await changes(texts[0], [2, 5], texts), [
    ["0", "1", 3, 3, "B"],
    ["1", "2", 2, 3, "B"],
    ["2", "3", 2, 3, "b"],
    ["3", "4", 2, 2, "b"],
    ["4", undefined, 2, 1, "c"],
  ]);
});

test("lineHistory() counts the deletion of a line inside the range", async () => {
  const texts = ["a\nc\n", "a\nb\nc\n"];
  assert.deepEqual(await changes("a\nc\n", [0, 2], texts), [
    ["0", "1", 1, 2, "a"],
    ["1", undefined, 1, 3, "a"],
  ]);
  // The deleted line is between the ranges of these lines.
  assert.deepEqual(await changes("a\nc\n", [1, 2], texts), [
    ["1", undefined, 3, 1, "c"],
  ]);
});

test("lineHistory() finds nothing for lines that no version has", async () => {
  assert.deepEqual(await changes("a\nnew\n", [1, 2], ["a\n", "b\n"]), []);
  assert.deepEqual(await changes("a\n", [0, 1], []), []);
});

test("lineHistory() finds a line of an empty or equal version", async () => {
  assert.deepEqual(await changes("a\n", [0, 1], ["a\n", "", "a\n"]), [
    ["0", "1", 1, 1, "a"],
  ]);
  assert.deepEqual(await changes("a", [0, 1], ["a", "a", "a"]), [
    ["2", undefined, 1, 1, "a"],
  ]);
});

test("lineHistory() ignores damaged and large versions, and counts them", async () => {
  const texts = ["b\n", DAMAGED, LARGE, "a\n"];
  const result = await lineHistory(versionsOf(texts), "b\n", "utf8", [0, 1]);
  assert.equal(result.found.length, 2);
  assert.equal(result.found[0].before?.id, "3");
  const { compared, unreadable, tooLarge } = result;
  assert.deepEqual({ compared, unreadable, tooLarge }, {
    compared: 2,
    unreadable: 1,
    tooLarge: 1,
  });
});

test("lineHistory() ends with the version that inserted the lines", async () => {
  let read = 0;
  const versions = async function* () {
    for await (const one of versionsOf(["a\nb\n", "a\n", "a\n", "a\n"])) {
      read++;
      yield one;
    }
  };
  const { found } = await lineHistory(versions(), "a\nb\n", "utf8", [1, 2]);
  assert.deepEqual(found.map(({ version }) => version.id), ["0"]);
  assert.equal(read, 2);
});

test("lineHistory() decodes the encoding of the file, and any line ends", async () => {
  const texts = ["one\r\n\u00e8\r\n", "one\n\u00e9\n"];
  for (
    const [encoding, kind] of [
      ["windows1252", "latin1"],
      ["iso88591", "latin1"],
      ["cp437", "latin1"],
      ["utf16le", "utf16le"],
      ["utf8bom", "utf8"],
    ] as const
  ) {
    const versions = versionsOf(texts, (text) => Buffer.from(text, kind));
    const { found } = await lineHistory(versions, "one\n\u00e8\n", encoding, [
      1,
      2,
    ]);
    assert.deepEqual(
      found.map(({ line, excerpt }) => [line, excerpt]),
      [[2, "\u00e8"], [2, "\u00e9"]],
      encoding,
    );
  }
});
