/** The check that decides whether the package of the extension is built. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withTemp } from "../support/temp.ts";
import { isNewer } from "./newer.ts";

test("isNewer() compares a file with all sources and their folders", () =>
  withTemp((temp) => {
    const [file, source, folder] = ["package", "source.ts", "src"]
      .map((name) => join(temp, name));
    const [inner, product] = ["deep/inner.ts", "product"]
      .map((name) => join(folder, name));
    fs.mkdirSync(join(folder, "deep"), { recursive: true });
    for (const one of [source, inner, product]) fs.writeFileSync(one, "");
    const sources = [source, folder];
    const isFresh = () => isNewer(file, sources, [product]);
    const age = (path: string, seconds: number) =>
      fs.utimesSync(path, seconds, seconds);
    const old = [source, folder, join(folder, "deep"), inner];
    for (const one of old) age(one, 1000);
    assert.equal(isFresh(), false);
    fs.writeFileSync(file, "");
    age(file, 2000);
    age(product, 3000);
    assert.equal(isFresh(), true);
    assert.equal(isNewer(file, sources), false);
    for (const one of old) {
      age(one, 2000);
      assert.equal(isFresh(), false, one);
      age(one, 1000);
    }
    assert.equal(isFresh(), true);
  }));
