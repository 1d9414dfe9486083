import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Attacked } from "../support/attacker.ts";
import { byEachOpenAccess } from "../support/folder_access.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROUNDS = process.env.SLOW ? 200 : 12;

test(
  "Repository.snapshot() contains nothing from outside while folders and files are replaced with links [A4][A5]",
  needs("perl"),
  async () => {
    await byEachOpenAccess(async () => {
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
            Attacked.assertInside(entries);
            for (const { path } of entries) seen.add(path);
            for (const { path, detail } of skipped) {
              Attacked.assertUntold(`${path} ${detail}`);
            }
          }
        } finally {
          await attacked.end();
        }
        // The attack took place.
        assert.ok(seen.has("other/4") && seen.has("dir/below/5"));
      });
    });
  },
);
