import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Dir } from "../../lib/archive/dir.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Attacked } from "../support/attacker.ts";
import { byEachAccess } from "../support/folder_access.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROUNDS = process.env.SLOW ? 200 : 12;

test(
  "Repository.snapshot() takes nothing from outside while folders and files are swapped for links [A4][A5]",
  needs("perl"),
  async () => {
    const secret = toHex(sha256(new TextEncoder().encode(Attacked.SECRET)));
    await byEachAccess(async (access) => {
      // Plain paths cannot hold this; SECURITY.md says so.
      if (access === "paths") return;
      await withTemp(async (folder) => {
        const attacked = new Attacked(folder);
        const repository = await Repository.create(new MemoryStorage());
        const seen = new Set<string>();
        await attacked.begin();
        try {
          for (let round = 0; round < ROUNDS; round++) {
            const { record } = await repository.snapshot(
              new Dir(attacked.root, { excludes: [] }),
              { label: `${round}`, cache: join(folder, "cache") },
            );
            const { entries, skipped } = await repository.tree(record);
            for (const { path, sha256 } of entries) {
              assert.notEqual(sha256, secret, `${access}: ${path} is not his`);
              assert.ok(!path.includes(Attacked.NAME), path);
              seen.add(path);
            }
            for (const { path, detail } of skipped) {
              assert.ok(!path.includes(Attacked.NAME), path);
              assert.ok(!detail?.includes("the secret"), detail);
            }
          }
        } finally {
          await attacked.end();
        }
        // It was not for want of trying.
        assert.ok(seen.has("other/4") && seen.has("dir/below/5"));
      });
    });
  },
);
