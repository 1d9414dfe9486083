import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const SIZE = 9 * 2 ** 30;
const slow = process.env.CI || process.env.SLOW;

test(
  "a file of more than 8 GiB is stored in archives, which GNU tar extracts",
  {
    ...needs("tar", "zstd", "cmp", "sh"),
    ...(!slow && { skip: "takes minutes: set SLOW=1" }),
  },
  async () => {
    await withTemp(async (folder) => {
      const tree = join(folder, "tree");
      const file = join(tree, "sparse");
      fs.mkdirSync(tree);
      const fd = fs.openSync(file, "w");
      const mark = new TextEncoder().encode("mark");
      fs.writeSync(fd, mark, 0, 4, 0);
      fs.writeSync(fd, mark, 0, 4, SIZE - 4);
      fs.closeSync(fd);
      const archive = join(folder, "large.tar.zst");
      await new Dir(tree).compressTo(archive, { codec: "zstd" });
      assert.ok(fs.statSync(archive).size < 4_000_000);
      const list = runText("tar", ["--zstd", "-tvf", archive]);
      assert.match(list, new RegExp(` ${SIZE} `));
      const pipe = 'tar --zstd -xOf "$0" sparse | cmp - "$1"';
      assert.equal(runText("sh", ["-c", pipe, archive, file]), "");
      const storage = new LocalStorage(folder);
      const volumes = TarVolume.fromVolumes(storage, ["large.tar.zst"]);
      const target = join(folder, "restored");
      await volumes.extractAll(target);
      runText("cmp", [join(target, "sparse"), file]);
      // The file had a hole, and must have it again.
      assert.ok(fs.statSync(join(target, "sparse")).blocks < 10_000);
    });
  },
);
