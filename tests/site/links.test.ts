import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { writePages } from "../../tasks/site.ts";
import { withTemp } from "../support/temp.ts";

test("every link of the documentation has an existing target", async () => {
  await withTemp((out) => {
    writePages(out);
    const pages = readdirSync(out, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".html"));
    assert.ok(pages.length > 5);
    let seen = 0;
    for (const page of pages) {
      const html = readFileSync(join(out, page), "utf8");
      for (const [, href] of html.matchAll(/(?:href|src)="([^"]+)"/g)) {
        // Deno generates the pages of the API separately.
        if (/^[a-z]+:/.test(href) || href.includes("api/index.html")) continue;
        const [path, anchor] = href.split("#");
        const target = path === "" ? page : join(dirname(page), path);
        assert.ok(existsSync(join(out, target)), `${page} links to ${href}`);
        if (anchor !== undefined) {
          const there = readFileSync(join(out, target), "utf8");
          assert.ok(there.includes(` id="${anchor}"`), `${page}: ${href}`);
        }
        seen++;
      }
    }
    assert.ok(seen > 50);
  });
});
