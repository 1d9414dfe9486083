import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import type { ContentReference } from "../../lib/archive/content_reference.ts";
import type { TarMember } from "../../lib/archive/tar_member.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { VolumeWriter } from "../../lib/archive/volume_writer.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { lstat } from "../../lib/tree/stat.ts";
import { file, noise, special } from "./helpers.ts";
import { has, run, withFolder } from "./peers.ts";

const NAMES = [
  "plain",
  "-dash",
  "--version",
  "new\nline",
  "back\\slash",
  "quote'\"",
  " space ",
  "ünïcödé-\u{1F600}",
  // The same letter in both Unicode normalizations.
  "nfc-\u00e9",
  "nfd-e\u0301",
  "x".repeat(100),
  "y".repeat(101),
  "z".repeat(255),
  `d/${"e".repeat(99)}`,
  `${"f".repeat(155)}/${"g".repeat(100)}`,
  `${"h".repeat(156)}/${"i".repeat(99)}`,
  `${"long folder/".repeat(30)}${"ü".repeat(120)}`,
];
const TIMES = [
  0n,
  1n,
  1_700_000_000_000_000_000n,
  1_700_000_000_123_456_789n,
  // bsdtar reads "-1.5" as half a second before 1970.
  -2_000_000_000n,
  8_589_934_592_000_000_000n,
];
const MODES = [0o644, 0o600, 0o755, 0o444, 0o4755, 0o1777];

function* members(): Generator<[TarMember, Uint8Array]> {
  let n = 0;
  for (const path of NAMES) {
    const content = noise(n * 700, n + 1);
    const mtime = TIMES[n % TIMES.length];
    const mode = MODES[n % MODES.length];
    yield [file(path, content.length, { mtime, mode }), content];
    n += 1;
  }
  const nothing = new Uint8Array();
  yield [special("dir", "directory"), nothing];
  yield [special(`${"folder/".repeat(40)}deep`, "directory"), nothing];
  yield [special("link", "symlink", "plain"), nothing];
  yield [special("dangling", "symlink", "/no/where"), nothing];
  yield [special("far", "symlink", "ü/".repeat(100)), nothing];
  yield [special("hard", "hardlink", "plain"), nothing];
  yield [special("hard-long", "hardlink", "z".repeat(255)), nothing];
  yield [file("last", 5000, { uid: 3_000_000, gid: 3_000_000 }), noise(5000)];
}

async function write(name: "gzip" | "zstd"): Promise<Uint8Array> {
  const storage = new MemoryStorage();
  const volumes = new VolumeWriter({
    storage,
    name: () => "volume",
    codec: codecFor(name),
    volumeSize: 1e9,
    frameSize: 4096,
  });
  for (const [member, content] of members()) volumes.add(member, content);
  await volumes.close();
  return storage.objects.get("volume")!;
}

for (
  const [name, extension, listing, extraction] of [
    ["gzip", "tgz", "-tvzf", "-xzf"],
    ["zstd", "tar.zst", "--zstd -tvf", "--zstd -xf"],
  ] as const
) {
  test(`GNU tar lists and extracts ${extension} volumes`, async (context) => {
    if (!has(context, "tar") || (name === "zstd" && !has(context, "zstd"))) {
      return;
    }
    await withFolder(async (folder) => {
      const archive = join(folder, `volume.${extension}`);
      writeFileSync(archive, await write(name));
      const list = run("tar", [
        ...listing.split(" "),
        archive,
        "--full-time",
        "--numeric-owner",
        "--quoting-style=literal",
        "--show-transformed-names",
      ]);
      for (const [{ path, kind, size, mtime }] of members()) {
        assert.ok(list.includes(` ${path}`), path);
        if (kind !== "file" || mtime < 0n) continue;
        const line = list.split("\n").find((one) =>
          one.includes(` ${path.split("\n")[0]}`) && one.startsWith("-")
        )!;
        assert.ok(line.includes(` ${size} `), line);
      }
      const out = join(folder, "out");
      mkdirSync(out);
      run("tar", [
        ...extraction.split(" "),
        archive,
        "-p",
        "--no-same-owner",
        "-C",
        out,
      ]);
      checkTree(out, 0o7777);
    });
  });

  test(`bsdtar extracts ${extension} volumes`, async (context) => {
    if (!has(context, "bsdtar")) return;
    await withFolder(async (folder) => {
      const archive = join(folder, `volume.${extension}`);
      writeFileSync(archive, await write(name));
      const out = join(folder, "out");
      mkdirSync(out);
      run("bsdtar", ["-xpf", archive, "--no-same-owner", "-C", out]);
      // bsdtar removes set-user-ID bits together with the owner, and composes
      // letters.
      checkTree(out, 0o1777, (path) => path.normalize("NFC"));
    });
  });
}

/** Compares the files that tar extracted with the original ones. */
function checkTree(
  out: string,
  modes: number,
  nameOf = (path: string) => path,
): void {
  for (const [member, content] of members()) {
    const { path, kind } = member;
    const place = join(out, nameOf(path));
    const stat = lstat(place);
    if (kind === "symlink") {
      assert.equal(readlinkSync(place), member.target);
    } else if (kind === "hardlink") {
      assert.equal(stat.inode, lstat(join(out, member.target!)).inode);
    } else {
      assert.equal(stat.kind, kind);
      assert.equal(stat.mode & modes, member.mode & modes, path);
      assert.equal(stat.mtime, member.mtime, path);
      if (kind === "file") assert.ok(readFileSync(place).equals(content), path);
    }
  }
}

for (const codec of ["gzip", "zstd"] as const) {
  test(`the commands of the format page work for ${codec}`, async (context) => {
    if (!has(context, "tar") || !has(context, "jq") || !has(context, codec)) {
      return;
    }
    await withFolder(async (folder) => {
      const storage = new MemoryStorage();
      const options = { codec, volumeSize: 20_000, frameSize: 4096 };
      const writer = TarVolume.create(storage, "key", options);
      const contents = new Map<string, Uint8Array>();
      for (let n = 0; n < 20; n++) {
        const content = noise(n * 500, n + 1);
        contents.set(`d/${n}`, content);
        await writer.add({ path: `d/${n}`, mtime: BigInt(n) }, content);
      }
      await writer.add({ path: "far", kind: "hardlink", target: "d/0" });
      const index = await writer.close();
      assert.ok(index.volumes.length > 2);
      for (const [name, bytes] of storage.objects) {
        writeFileSync(join(folder, name), bytes);
      }

      const listed = run("jq", [
        "-r",
        "select(.content) | [.path, .size, .content.volume] | @tsv",
        join(folder, "key.index.ndjson"),
      ]);
      const name = ({ volume }: ContentReference) =>
        index.volumes.findIndex((one) => one.name === volume);
      assert.equal(
        listed,
        index.members.filter(({ content }) => content).map((
          { path, size, content },
        ) => `${path}\t${size}\t${name(content!)}\n`).join(""),
      );
      for (const [path, content] of contents) {
        const { volume, offset, length, skip } = index.get(path)!.content!;
        const read = `tail -c +$((${offset} + 1)) ${volume} |
          head -c ${length} | ${codec} -dc | tail -c +$((${skip} + 1)) |
          head -c ${content.length} > content`;
        run("sh", ["-c", read], folder);
        assert.ok(readFileSync(join(folder, "content")).equals(content));
      }

      mkdirSync(join(folder, "out"));
      const volumes = index.volumes.map(({ name }) => name).join(" ");
      const flag = codec === "gzip" ? "-z" : "--zstd";
      run("sh", ["-c", `cat ${volumes} | tar -x ${flag} -i -C out`], folder);
      for (const [path, content] of contents) {
        const place = join(folder, "out", path);
        assert.ok(readFileSync(place).equals(content));
        assert.equal(lstat(place).mtime, BigInt(path.slice(2)));
      }
    });
  });
}
