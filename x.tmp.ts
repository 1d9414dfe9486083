import { Dir, LocalStorage, Repository } from "./mod.ts";
import { encodeRecord } from "./lib/repository/format/snapshot_record.ts";
import { newId, recordName } from "./lib/repository/format/names.ts";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { noise } from "./tests/support/noise.ts";
const n = Number(process.argv[2]), dirs = Number(process.argv[3]);
rmSync("/dev/shm/words/r", { recursive: true, force: true });
const r = await Repository.create(new LocalStorage("/dev/shm/words/r"));
const clock = Date.now;
const start = clock();
for (let d = 0; d < dirs; d++) {
  const dir = `/dev/shm/words/d${d}`;
  mkdirSync(dir, { recursive: true });
  let parent;
  for (let i = 0; i < n; i++) {
    const time = start - (n - 1 - i) * 3 * 3600000;
    if (i === 0) {
      writeFileSync(dir + "/f", noise(100000, i * dirs + d));
      Date.now = () => time;
      parent = (await r.snapshot(new Dir(dir))).record;
      Date.now = clock;
      continue;
    }
    const { parent: _, parentSha256: __, ...rest } = parent;
    const id = newId(time, Math.random());
    const rec = {
      ...rest,
      id,
      time,
      parent: parent.id,
      ...(i % 17 === 3 ? { label: "good " + i } : {}),
    };
    writeFileSync("/dev/shm/words/r/" + recordName(id), encodeRecord(rec));
    parent = rec;
  }
}
