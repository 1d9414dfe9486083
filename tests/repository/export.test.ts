import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { readTar } from "../../lib/archive/tar_reader.ts";
import { collect } from "../../lib/bytes/source.ts";
import type { ChosenEntries } from "../../lib/repository/export/chosen_entries.ts";
import type { ExportProgress } from "../../lib/repository/export/export_options.ts";
import { MemberReader } from "../../lib/repository/export/member_reader.ts";
import type { TreeEntry } from "../../lib/repository/layers/tree_layer.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { S3Storage } from "../../lib/storage/s3.ts";
import { needsPosix } from "../support/system.ts";
import { withS3Server } from "../support/s3_server.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

/** Makes a repository with a snapshot of a small file and a large one. */
async function withFiles(folder: string, storage = new MemoryStorage()) {
  fs.mkdirSync(join(folder, "docs"));
  fs.writeFileSync(join(folder, "docs/small"), "small");
  fs.writeFileSync(join(folder, "large"), noise(3_000_000, 1));
  const repository = await Repository.create(storage);
  const { record } = await repository.snapshot(everything(folder));
  return { storage, repository, record };
}

/** Returns the content of the files of a tar, by path. */
async function contentsOf(
  tar: ReadableStream<Uint8Array>,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const { member, body } of readTar(tar)) {
    if (member.kind === "file") found.set(member.path, await collect(body));
  }
  return found;
}

test("export() reports its progress, also within a large file", async () => {
  await withTemp(async (folder) => {
    const { repository, record } = await withFiles(folder);
    const seen: ExportProgress[] = [];
    const stream = await repository.export(record, {
      onProgress: (progress) => seen.push(progress),
    });
    const contents = await contentsOf(stream);
    assert.deepEqual(contents.get("large"), noise(3_000_000, 1));
    assert.ok(seen.filter(({ path }) => path === "large").length > 2);
    assert.deepEqual(seen.at(-1), {
      ...{ files: 2, directories: 1, links: 0, special: 0, copies: 0 },
      ...{ bytes: 3_000_005, path: "large" },
    });
  });
});

test("export() stops when its signal fires, before and during the work", async () => {
  await withTemp(async (folder) => {
    const { repository, record } = await withFiles(folder);
    await assert.rejects(
      repository.export(record, {
        paths: ["large"],
        signal: AbortSignal.abort(),
      }),
      { code: "aborted" },
    );
    for (const format of ["tar", "tar.gz", "zip"] as const) {
      const controller = new AbortController();
      const stream = await repository.export(record, {
        format,
        signal: controller.signal,
        onProgress: ({ path }) => {
          if (path === "large") controller.abort();
        },
      });
      await assert.rejects(collect(stream), { code: "aborted" });
    }
  });
});

test("export() refuses invalid options and paths", async () => {
  await withTemp(async (folder) => {
    const { repository, record } = await withFiles(folder);
    const refused = async (options: object, expected: object) =>
      await assert.rejects(repository.export(record, options), expected);
    await refused({ format: "rar" }, TypeError);
    await refused({ paths: "docs" }, TypeError);
    await refused({ paths: ["none"] }, { code: "not-found", path: "none" });
    await refused({ from: "large" }, { code: "not-found", path: "large" });
    await refused({ from: "docs", paths: ["../large"] }, { code: "unsafe" });
  });
});

test("export() exports from S3 and from encrypted repositories", async () => {
  await withTemp(async (folder) => {
    const identity = await newIdentity();
    const to = await recipientOf(identity);
    const objects = new MemoryStorage();
    fs.writeFileSync(join(folder, "a"), "content");
    await withS3Server(objects, async (endpoint) => {
      const storage = new S3Storage({
        ...{ bucket: "bucket", prefix: "p", endpoint, region: "us-east-1" },
        ...{ accessKeyId: "a", secretAccessKey: "b" },
      });
      const repository = await Repository.create(storage, {
        encrypt: { name: "main", to },
      });
      const { record } = await repository.snapshot(everything(folder));
      const contents = await contentsOf(await repository.export(record));
      assert.equal(new TextDecoder().decode(contents.get("a")), "content");
    });
  });
});

test(
  "export() writes no zeros for holes to a tar",
  needsPosix("holes"),
  async () => {
    await withTemp(async (folder) => {
      const file = join(folder, "sparse");
      fs.writeFileSync(file, "start");
      fs.truncateSync(file, 1 << 27);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(folder));
      let size = 0;
      for await (const part of await repository.export(record)) {
        size += part.length;
      }
      assert.ok(size < 10_000, `${size}`);
    });
  },
);

test("export() refuses trees that could be used to attack other programs", async () => {
  await withTemp(async (folder) => {
    const { storage, repository, record } = await withFiles(folder);
    const state = { mode: 0o644, mtime: 0n, uid: 0, gid: 0, size: 0 };
    const file = await repository.lookup(record, "docs/small");
    assert.ok(file?.kind === "file");
    const link: TreeEntry = {
      ...{ path: "a", kind: "symlink", target: "/etc", ...state },
    };
    const refused = async (entries: TreeEntry[], message: RegExp) => {
      const chosen: ChosenEntries = {
        has: () => false,
        async *batches() {
          yield entries;
        },
      };
      const reader = new MemberReader(storage, record, chosen, {});
      await assert.rejects(Array.fromAsync(reader.members()), {
        code: "corrupt",
        message,
      });
    };
    await refused(
      [link, { ...file, path: "a/passwd" }],
      /a\/passwd: the entry is below a path that is not a directory: a$/,
    );
    for (const target of ["none", "docs"]) {
      await refused(
        [{ path: "z", kind: "hardlink", target, ...state }],
        /z: hard link to something other than a file.*: (?:none|docs)$/,
      );
    }
    // Such a size would shift everything after the file.
    for (const size of [4, 6]) {
      const [piece] = file.content;
      const content = [{ ...piece, size }];
      await refused(
        [{ ...file, size, content }],
        /does not match its recorded/,
      );
    }
  });
});
