import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

const MEBIBYTE = 1 << 20;

/** Returns compressed lines of text, all of which differ. */
function lines(count: number): Uint8Array {
  const text = Array.from(
    { length: count },
    (_, at) => `row ${at}: ${(at * 2654435761 >>> 0).toString(36)}\n`,
  );
  return new TextEncoder().encode(text.join(""));
}

/** Overwrites 30 bytes in each of 40 places, and moves a part. */
function edited(bytes: Uint8Array, seed: number): Uint8Array {
  const now = bytes.slice();
  for (let edit = 0; edit < 40; edit++) {
    const at = (seed * 7919 + edit * 104_729) % (now.length - 30);
    now.set(noise(30, seed * 100 + edit), at);
  }
  const from = seed * 31_337 % (now.length - 3000);
  return concat([
    now.subarray(0, from),
    now.subarray(from + 1500),
    now.subarray(from, from + 1500),
  ]);
}

async function inRepository(
  work: (
    place: {
      repository: Repository;
      root: string;
      folder: string;
      snapshot: (content: Uint8Array) => Promise<number>;
    },
  ) => Promise<void>,
) {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const storage = new LocalStorage(join(folder, "repository"));
    const repository = await Repository.create(storage);
    const snapshot = async (content: Uint8Array) => {
      fs.writeFileSync(join(root, "data.bin"), content);
      const { record } = await repository.snapshot(everything(root));
      return record.counts.stored;
    };
    await work({ repository, root, folder, snapshot });
  });
}

for (
  const [kind, start] of [
    ["random", noise(3 * MEBIBYTE)],
    ["text", lines(150_000)],
  ] as const
) {
  test(`deltas of a large file (${kind}) are little larger than the change, at every link of a chain`, async () => {
    await inRepository(async ({ repository, folder, snapshot }) => {
      const contents = [start];
      await snapshot(start);
      for (let link = 1; link <= 11; link++) {
        const now = edited(contents[link - 1], link);
        contents.push(now);
        const stored = await snapshot(now);
        // The ninth delta is composed of all deltas before it.
        const most = link === 9 ? 60_000 : 12_000;
        assert.ok(stored < most, `link ${link}: ${stored} bytes`);
      }
      const { damage } = await repository.verify({ data: true });
      assert.deepEqual(damage, []);
      const records = await repository.snapshots();
      for (const [at, record] of records.entries()) {
        const target = join(folder, `restored ${at}`);
        await repository.restore(record, target);
        const bytes = fs.readFileSync(join(target, "data.bin"));
        assert.ok(bytes.equals(contents[at]), `snapshot ${at}`);
        fs.rmSync(target, { recursive: true });
      }
    });
  });
}

test(
  "deltas of a sparse file are little larger than the change",
  needsPosix("holes in files"),
  async () => {
    await inRepository(async ({ repository, root, folder }) => {
      const place = join(root, "disk");
      const put = (offset: number, bytes: Uint8Array) => {
        const fd = fs.openSync(place, fs.existsSync(place) ? "r+" : "w");
        fs.writeSync(fd, bytes, 0, bytes.length, offset);
        fs.closeSync(fd);
      };
      put(8 * MEBIBYTE, noise(2 * MEBIBYTE));
      put(40 * MEBIBYTE, noise(MEBIBYTE, 1));
      const contents: Uint8Array[] = [];
      const take = async () => {
        const { record } = await repository.snapshot(everything(root));
        contents.push(fs.readFileSync(place));
        const entry = await repository.lookup(record, "disk");
        assert.ok(entry?.kind === "file" && entry.sparse !== undefined);
        return {
          stored: record.counts.stored,
          deltas: entry.content.length - 1,
        };
      };
      await take();
      for (let link = 1; link <= 11; link++) {
        for (let edit = 0; edit < 20; edit++) {
          const at = (link * 7919 + edit * 104_729) % (2 * MEBIBYTE - 30);
          put(8 * MEBIBYTE + at, noise(30, link * 100 + edit));
        }
        // An additional range of data shifts everything after it in the
        // condensed form.
        put((20 + link) * MEBIBYTE, noise(10, link));
        const { stored, deltas } = await take();
        // The ninth delta is composed of all deltas before it.
        assert.equal(deltas, link < 9 ? link : link - 8);
        const most = link === 9 ? 60_000 : 12_000;
        assert.ok(stored < most, `link ${link}: ${stored} bytes`);
      }
      const { damage } = await repository.verify({ data: true });
      assert.deepEqual(damage, []);
      for (const [at, record] of (await repository.snapshots()).entries()) {
        const target = join(folder, `restored ${at}`);
        await repository.restore(record, target);
        const bytes = fs.readFileSync(join(target, "disk"));
        assert.ok(bytes.equals(contents[at]), `snapshot ${at}`);
        fs.rmSync(target, { recursive: true });
      }
    });
  },
);

test("a file that grows beyond 1 MiB gets an exact delta", async () => {
  await inRepository(async ({ repository, folder, snapshot }) => {
    const small = noise(MEBIBYTE - 10);
    const large = concat([small.subarray(0, 700_000), noise(100, 1), small]);
    await snapshot(small);
    assert.ok(await snapshot(large) < 2000);
    const record = await repository.find("latest");
    await repository.restore(record, join(folder, "restored"));
    const bytes = fs.readFileSync(join(folder, "restored", "data.bin"));
    assert.ok(bytes.equals(large));
  });
});

test("a snapshot whose old content is lost uses only the signature", async () => {
  await inRepository(async ({ folder, snapshot }) => {
    const start = noise(3 * MEBIBYTE);
    await snapshot(start);
    // The signature is in its own volume only if it is written later.
    const volumes = join(folder, "repository", "volumes");
    for (const name of fs.readdirSync(volumes)) {
      const place = join(volumes, name);
      const bytes = fs.readFileSync(place);
      fs.chmodSync(place, 0o600);
      // This damages the content, which is at the beginning, but not the
      // signature.
      bytes.fill(0xff, 2000, 400_000);
      fs.writeFileSync(place, bytes);
    }
    const stored = await snapshot(edited(start, 1));
    assert.ok(stored < 200_000, `${stored}`);
  });
});
