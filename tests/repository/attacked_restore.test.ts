import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Attacked } from "../support/attacker.ts";
import { byEachOpenAccess } from "../support/folder_access.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const ROUNDS = process.env.SLOW ? 200 : 8;

test(
  "restore() changes nothing outside while folders, files and temporary files are replaced with links [A2]",
  needs("perl"),
  async () => {
    await byEachOpenAccess(async (access) => {
      await withTemp(async (folder) => {
        const attacked = new Attacked(folder);
        for (const name of ["dir/1", "other/3"]) {
          fs.chmodSync(join(attacked.root, name), 0o4755);
        }
        fs.symlinkSync("1", join(attacked.root, "dir/link"));
        if (process.getuid?.() === 0) {
          fs.lchownSync(join(attacked.root, "dir/link"), 65534, 65534);
        }
        const repository = await Repository.create(new MemoryStorage());
        const { record } = await repository.snapshot(
          everything(attacked.root),
        );
        const outside = attacked.outsideState();
        let restored = 0;
        await attacked.begin(true);
        try {
          for (let round = 0; round < ROUNDS; round++) {
            try {
              const result = await repository.restore(record, attacked.root, {
                delete: round % 2 === 0,
              });
              restored += result.files;
              if (result.safety !== undefined) {
                const { entries } = await repository.tree(result.safety);
                Attacked.assertInside(entries);
              }
            } catch (error) {
              // If something prevents the whole restore, the error must explain
              // it.
              assert.equal(
                (error as Error).name,
                "DeltarError",
                `${error}\n${(error as Error).stack}`,
              );
            }
            assert.deepEqual(attacked.outsideState(), outside, access);
          }
        } finally {
          await attacked.end();
        }
        assert.ok(restored > 0, "it was not for want of trying");
        for (const name of fs.readdirSync(attacked.root)) {
          const place = join(attacked.root, name);
          fs.rmSync(place, { recursive: true, force: true });
        }
        const { failed } = await repository.restore(record, attacked.root);
        assert.deepEqual(failed, []);
        assert.deepEqual(attacked.outsideState(), outside, access);
      });
    });
  },
);
