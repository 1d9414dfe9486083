import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { Dir, LocalStorage, Repository } from "../../mod.ts";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { deltaBytes, signBytes } from "../../lib/delta/mod.ts";
import { noise } from "../support/noise.ts";
import { needs } from "../support/peer.ts";
import { canUseXattrs } from "../../lib/tree/open_folder.ts";
import { withTemp } from "../support/temp.ts";
import { setXattr } from "../support/xattrs.ts";
import { withWebServer } from "../support/web_server.ts";

const PAGE = fileURLToPath(new URL("page.ts", import.meta.url));

/** Bundles the library and the page into one script. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [PAGE],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    platform: "browser",
  });
  return outputFiles[0].text;
}

for (const isEncrypted of [false, true]) {
  const kind = isEncrypted ? "an encrypted" : "a";
  test(
    `a page reads ${kind} repository over HTTP`,
    needs("chromium", "mkfifo"),
    () => withTemp((folder) => readInPage(folder, isEncrypted)),
  );
}

async function readInPage(
  folder: string,
  isEncrypted: boolean,
): Promise<void> {
  const root = join(folder, "root");
  fs.mkdirSync(join(root, "folder"), { recursive: true });
  const write = (path: string, content: string | Uint8Array) =>
    fs.writeFileSync(join(root, path), content);
  const large = noise(5_000_000);
  write("folder/small.txt", "first\n");
  write("large.bin", large);
  write("sparse", "");
  fs.truncateSync(join(root, "sparse"), 3_000_000);
  execFileSync("mkfifo", [join(root, "pipe")]);
  if (canUseXattrs()) setXattr(join(root, "sparse"), "user.note", "1");
  const storage = new LocalStorage(join(folder, "repository"));
  const identity = await newIdentity();
  const key = await readPrivateKey(await makeKeyPair("test"));
  const repository = await Repository.create(storage, {
    machine: { id: "test", key },
    ...isEncrypted && {
      encrypt: { name: "page", to: await recipientOf(identity) },
    },
  });
  const dir = new Dir(root, { excludes: [] });
  await repository.snapshot(dir);
  // The page has to apply deltas of a small file and a large one.
  write("folder/small.txt", "first\nsecond\n");
  large.fill(7, 2_000_000, 2_000_100);
  write("large.bin", large);
  const { record } = await repository.snapshot(dir);

  const script = await bundle();
  const delta = deltaBytes(
    signBytes(new TextEncoder().encode("an old text")),
    new TextEncoder().encode("a new text"),
  );
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  try {
    await withWebServer(storage, async (address) => {
      const page = await browser.newPage();
      const faults: string[] = [];
      page.on("pageerror", (error) => faults.push(error.message));
      const app = new URL("/app/", address).href;
      await page.route(
        `${app}**`,
        (route) =>
          route.request().url() === `${app}delta`
            ? route.fulfill({ body: Buffer.from(delta) })
            : route.fulfill({
              contentType: "text/html",
              body: "<!doctype html><title>deltar</title>",
            }),
      );
      await page.goto(app);
      await page.addScriptTag({ content: script });
      const seen = await page.evaluate<Record<string, unknown>>(
        `show(${JSON.stringify(address)}, ${JSON.stringify([identity])})`,
      );
      const sum = (path: string) =>
        createHash("sha256").update(fs.readFileSync(join(root, path)))
          .digest("hex");
      assert.deepEqual(seen, {
        signer: key.publicKey,
        paths: ["folder", "folder/small.txt", "large.bin", "pipe", "sparse"],
        kinds: ["directory", "file", "file", "fifo", "file"],
        holes: ["sparse: 512"],
        xattrs: canUseXattrs() ? [["user.note"]] : [],
        verified: [5, 1, 1, 0],
        refused: `${record.id}: pipe: not a file in this snapshot, but a ` +
          "named pipe",
        sparse: sum("sparse"),
        changes: ["updated", "updated"],
        small: sum("folder/small.txt"),
        large: sum("large.bin"),
        patched: "a new text",
      });
      assert.deepEqual(faults, []);
    });
  } finally {
    await browser.close();
  }
}
