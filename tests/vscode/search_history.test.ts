import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  MAX_SEARCHED_BYTES,
  type SearchedVersion,
  searchVersions,
} from "../../extension/src/worker/search_history.ts";
import { createMethods } from "../../extension/src/worker/methods.ts";
import { DeltarError } from "../../mod.ts";
import { withTemp } from "../support/temp.ts";

/** A content that cannot be read. */
const DAMAGED = "damaged";

/**
 * Returns versions with these contents, and a count of the contents that were
 * read.
 */
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
        find: () =>
          Promise.resolve({
            sha256: content,
            size: content.length,
            read: () => {
              if (content === DAMAGED) {
                throw new DeltarError("corrupt", "wrong checksum");
              }
              read.push(content);
              return Promise.resolve(new TextEncoder().encode(content));
            },
          }),
      };
    }
  };
  return { versions, read };
}

/**
 * Returns the ids, lines, excerpts and numbers of matches that a search finds.
 */
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

test("searchVersions() treats the text literally", async () => {
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

test("searchVersions() reads the same content once, and no content that is too large", async () => {
  const large = "x".repeat(MAX_SEARCHED_BYTES + 1);
  const { versions, read } = versionsOf(["x", "y", "x", large]);
  const result = await searchVersions(versions(), "x");
  assert.deepEqual(result.found.map(({ id }) => id), ["0", "2"]);
  assert.deepEqual([result.searched, result.tooLarge], [3, 1]);
  assert.deepEqual(read, ["x", "y"]);
});

test("searchVersions() counts damaged versions and searches the others", async () => {
  const { versions } = versionsOf(["x", DAMAGED, "x y"]);
  const result = await searchVersions(versions(), "x");
  assert.deepEqual(result.found.map(({ id }) => id), ["0", "2"]);
  assert.deepEqual([result.searched, result.unreadable], [2, 1]);
});

test("searchHistory finds the contents of a hard link", () =>
  withTemp(async (temp) => {
    const config = {
      directory: join(temp, "folder"),
      repository: join(temp, "repository"),
      isOwnStorage: false,
      cache: join(temp, "cache"),
      originals: join(temp, "cache", "originals"),
      excludes: [],
      gitignore: false,
      excludeCaches: false,
      encrypt: false,
    };
    const methods = createMethods();
    const { signal } = new AbortController();
    const work = { signal, progress: () => {} };
    fs.mkdirSync(config.directory);
    const [first, second] = ["a.txt", "b.txt"].map((name) =>
      join(config.directory, name)
    );
    fs.writeFileSync(first, "one needle");
    fs.linkSync(first, second);
    for (const [at, text] of [undefined, "none", "two needles"].entries()) {
      if (text !== undefined) fs.writeFileSync(first, text);
      fs.utimesSync(first, 1000 + at, 1000 + at);
      await methods.snapshot({ config }, work);
    }
    for (const path of ["a.txt", "b.txt"]) {
      const result = await methods.searchHistory(
        { config, path, text: "needle" },
        work,
      );
      assert.deepEqual(
        result.found.map(({ excerpt, size }) => [excerpt, size]),
        [["two needles", 11], ["one needle", 10]],
      );
      assert.equal(result.searched, 3);
    }
  }));
