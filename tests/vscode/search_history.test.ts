import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MAX_SEARCHED_BYTES,
  type SearchedVersion,
  searchVersions,
} from "../../extension/src/worker/search_history.ts";

/** Versions with these contents, and the number of contents that were read. */
function versionsOf(contents: string[]) {
  const read: string[] = [];
  const versions = async function* (): AsyncGenerator<SearchedVersion> {
    for (const [at, content] of contents.entries()) {
      const version = {
        id: `${at}`,
        time: at,
        path: "notes.md",
        size: content.length,
      };
      yield {
        version,
        sha256: content,
        read: () => {
          read.push(content);
          return Promise.resolve(new TextEncoder().encode(content));
        },
      };
    }
  };
  return { versions, read };
}

/** The ids, lines, excerpts and numbers of matches that a search finds. */
async function search(contents: string[], text: string) {
  const { versions } = versionsOf(contents);
  const { found } = await searchVersions(versions(), text);
  return found.map(({ id, line, excerpt, matches }) => [
    id,
    line,
    excerpt,
    matches,
  ]);
}

test("searchVersions() finds the first line with the text in each version", async () => {
  assert.deepEqual(
    await search(["one\n  Two two\n", "none\n", "two"], "TWO"),
    [["0", 2, "Two two", 2], ["2", 1, "two", 1]],
  );
});

test("searchVersions() takes the text literally", async () => {
  assert.deepEqual(await search(["a.b*(c)", "aXb(c)"], "a.b*(c)"), [
    ["0", 1, "a.b*(c)", 1],
  ]);
  assert.deepEqual(await search(["\n\nx-y/[z]{1}|"], "x-y/[z]{1}|"), [
    ["0", 3, "x-y/[z]{1}|", 1],
  ]);
});

test("searchVersions() shortens a long line around the text", async () => {
  const [[, line, excerpt]] = await search(
    [`\n${"a".repeat(1000)}needle${"b".repeat(1000)}`],
    "needle",
  );
  assert.equal(line, 2);
  assert.equal(excerpt, "a".repeat(20) + "needle" + "b".repeat(94));
});

test("searchVersions() reads the same content once, and no large one", async () => {
  const large = "x".repeat(MAX_SEARCHED_BYTES + 1);
  const { versions, read } = versionsOf(["x", "y", "x", large]);
  const result = await searchVersions(versions(), "x");
  assert.deepEqual(result.found.map(({ id }) => id), ["0", "2"]);
  assert.deepEqual([result.searched, result.tooLarge], [3, 1]);
  assert.deepEqual(read, ["x", "y"]);
});
