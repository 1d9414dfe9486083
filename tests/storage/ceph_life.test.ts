import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { forEachConcurrent } from "../../lib/bytes/for_each_concurrent.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { S3Client } from "../../lib/storage/s3_client.ts";
import { S3Storage } from "../../lib/storage/s3.ts";
import { COMMAND, withPlace } from "../cli/helpers.ts";
import { everything } from "../repository/helpers.ts";
import { type Ceph, cephBucket, NEEDS_CEPH } from "../support/ceph.ts";
import { generator } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { freePorts } from "../support/ports.ts";
import { type Mishap, type Passing, withProxy } from "../support/proxy.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";

const slow = Boolean(process.env.CI || process.env.SLOW);

/** Returns the environment variables with which a command uses the service. */
function environment(options: Ceph, endpoint = options.endpoint) {
  return {
    AWS_ACCESS_KEY_ID: options.accessKeyId,
    AWS_SECRET_ACCESS_KEY: options.secretAccessKey,
    AWS_ENDPOINT_URL: endpoint,
  };
}

/** Runs a command while this process serves the proxy. Returns its JSON. */
async function run(
  words: string[],
  env: Record<string, string>,
  cwd: string,
): Promise<{ code: number; said: string; json: Record<string, unknown> }> {
  const [program, ...args] = [...COMMAND, ...words, "--json"];
  const child = spawn(program, args, { env, cwd });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => out += data);
  child.stderr.on("data", (data) => err += data);
  const code = await new Promise<number>((resolve) =>
    child.on("close", (code) => resolve(code ?? -1))
  );
  const lines = out.trim().split("\n");
  const json = JSON.parse(lines.at(-1) || "{}");
  return { code, said: out + err, json };
}

test("the commands work with a repository on Ceph", NEEDS_CEPH, async () => {
  const options = await cephBucket();
  const repo = `s3://${options.bucket}/backups`;
  await withPlace(async (place) => {
    await withProxy(options.endpoint, {}, async ({ address, passed }) => {
      const env = { ...place.env, ...environment(options, address) };
      let said = "";
      const deltar = async (...words: string[]) => {
        const from = passed.length;
        const result = await run(words, env, place.root);
        said += result.said;
        assert.equal(result.code, 0, result.said);
        const requests = passed.slice(from);
        const sent = requests.reduce((sum, { sent }) => sum + sent, 0);
        return { ...result.json, requests, sent } as Record<string, unknown> & {
          id: string;
          requests: Passing[];
          sent: number;
        };
      };
      const isBack = async (state: unknown, from: string, snapshot: string) => {
        const target = join(place.folder, "restored");
        await deltar("restore", snapshot, "--repo", from, "--to", target);
        assert.deepEqual(stateOf(target), state);
        fs.rmSync(target, { recursive: true });
      };
      for (let at = 0; at < 40; at++) {
        place.write({ [`d${at % 7}/f${at}`]: `file ${at}\n`.repeat(50) });
      }
      fs.writeFileSync(join(place.root, "large"), noise(20_000_000));
      roundTimes(place.root);
      const states = [stateOf(place.root)];
      const first = await deltar("snapshot", "--repo", repo);
      place.write({ "d1/f1": "changed", new: "new" });
      fs.appendFileSync(join(place.root, "large"), "more");
      fs.rmSync(join(place.root, "d2/f2"));
      roundTimes(place.root);
      states.push(stateOf(place.root));
      // Otherwise files that changed just now would be read again.
      await new Promise((resolve) => setTimeout(resolve, 2100));
      const second = await deltar("snapshot", "--repo", repo);
      // Only little more than the change is uploaded, and no file of 20 MB
      // again.
      assert.ok(second.sent < 100_000, `${second.sent} bytes`);
      const unchanged = await deltar("snapshot", "--repo", repo);
      assert.equal(unchanged.isNew, false);
      assert.ok(unchanged.requests.length <= 3, asked(unchanged.requests));
      await isBack(states[0], repo, first.id);
      await isBack(states[1], repo, second.id);
      await deltar("verify", "--data", "--repo", repo);
      const copy = join(place.folder, "copy");
      await deltar("copy", "--repo", repo, "--to", copy);
      await isBack(states[0], copy, first.id);
      const back = `s3://${options.bucket}/again`;
      await deltar("copy", "--repo", copy, "--to", back);
      await deltar("forget", first.id, "--repo", repo);
      await deltar("prune", "--repo", repo);
      const { snapshots } = await deltar("list", "--repo", repo);
      assert.equal((snapshots as unknown[]).length, 1);
      await deltar("verify", "--data", "--repo", repo);
      await isBack(states[1], repo, second.id);
      await isBack(states[0], back, first.id);
      await deltar("verify", "--data", "--repo", back);
      // The output and the cache contain no key.
      said += contentsOf(join(place.folder, "home"));
      for (const secret of [options.accessKeyId, options.secretAccessKey]) {
        assert.ok(!said.includes(secret));
      }
    });
  });
});

function asked(requests: Passing[]): string {
  return requests.map(({ method, url }) => `${method} ${url}`).join("\n");
}

/** Returns the content of all files below a folder as one text. */
function contentsOf(folder: string): string {
  return fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) =>
      name + fs.readFileSync(join(parentPath, name), "latin1")
    ).join("\n");
}

test(
  "commands explain what is wrong with S3, without showing a key",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    await withPlace(async (place) => {
      const env = { ...place.env, ...environment(options) };
      const repo = `s3://${options.bucket}`;
      const [port] = await freePorts(1);
      const cases: [string, Record<string, string>, RegExp][] = [
        [
          repo,
          { AWS_SECRET_ACCESS_KEY: "wrong" },
          /check AWS_SECRET_ACCESS_KEY/,
        ],
        [repo, { AWS_ACCESS_KEY_ID: "" }, /set AWS_ACCESS_KEY_ID/],
        [`${repo}x`, {}, /no such bucket; create it/],
        ["s3://a b", {}, /invalid bucket name/],
        ["ftp://host/x", {}, /rclone serve/],
        [
          repo,
          { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` },
          /cannot be reac/,
        ],
      ];
      for (const [repo, wrong, text] of cases) {
        const words = ["list", "--repo", repo];
        const { code, said } = await run(
          words,
          { ...env, ...wrong },
          place.root,
        );
        assert.equal(code, 1, said);
        assert.match(said, text);
        assert.ok(!said.includes(options.secretAccessKey), said);
        assert.ok(!said.includes("    at "), said);
      }
    });
  },
);

test(
  "restoring one file of many takes at most five requests and a note, and little more data than the file",
  NEEDS_CEPH,
  async () => {
    const files = slow ? 60_000 : 6_000;
    const options = await cephBucket();
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      for (let at = 0; at < files; at++) {
        if (at % 500 === 0) {
          fs.mkdirSync(join(root, `d${at / 500}`), { recursive: true });
        }
        const place = join(root, `d${Math.floor(at / 500)}/file ${at}`);
        fs.writeFileSync(place, `content ${at} ${Math.sin(at)}\n`.repeat(9));
      }
      const large = noise(3_000_000);
      fs.writeFileSync(join(root, "d3/large"), large);
      const near = await Repository.create(new S3Storage(options));
      const { record: made } = await near.snapshot(everything(root));
      await withProxy(options.endpoint, {}, async ({ address, passed }) => {
        for (
          const [which, path] of [["latest", "d7/file 3700"], [
            made.id,
            "d3/large",
          ]]
        ) {
          passed.length = 0;
          const storage = new S3Storage({ ...options, endpoint: address });
          const repository = await Repository.open(storage);
          const record = await repository.find(which, { asMade: true });
          const target = join(folder, `restored ${path.length}`);
          await repository.restore(record, target, { paths: [path] });
          const [was, is] = [root, target].map((place) =>
            fs.readFileSync(join(place, path))
          );
          assert.ok(was.equals(is));
          const [notes, others] = [true, false].map((isNote) =>
            passed.filter(({ method, url }) =>
              (method === "PUT" && url.includes("/restores/")) === isNote
            )
          );
          assert.equal(notes.length, 1, asked(passed));
          assert.ok(others.length <= 5, asked(passed));
          const got = passed.reduce((sum, { received }) => sum + received, 0);
          assert.ok(got <= was.length + 512 * 1024, `${path}: ${got} bytes`);
        }
      });
    });
  },
);

test(
  "restore from a distant storage requests frames in advance",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      for (let at = 0; at < 1000; at++) {
        fs.writeFileSync(join(root, `f${at}`), noise(25_000, at + 1));
      }
      fs.writeFileSync(join(root, "large"), noise(60_000_000));
      const near = await Repository.create(new S3Storage(options));
      await near.snapshot(everything(root));
      const latency = 50;
      await withProxy(options.endpoint, { latency }, async (proxy) => {
        const storage = new S3Storage({ ...options, endpoint: proxy.address });
        const repository = await Repository.open(storage);
        for (const [paths, least] of [[["f"], 8], [["large"], 3]] as const) {
          const [prefix] = paths;
          const chosen = fs.readdirSync(root)
            .filter((name) => name.startsWith(prefix));
          proxy.most = 0;
          const record = await repository.find("latest", { asMade: true });
          const target = join(folder, prefix);
          await repository.restore(record, target, { paths: chosen });
          assert.ok(proxy.most >= least, `${prefix}: ${proxy.most} at once`);
          assert.ok(proxy.most <= 24, `${prefix}: ${proxy.most} at once`);
          for (const name of chosen) {
            const [was, is] = [root, target].map((place) =>
              fs.readFileSync(join(place, name))
            );
            assert.ok(was.equals(is), name);
          }
        }
      });
    });
  },
);

test(
  "random failures of requests and connections lose nothing",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    const seeds = process.env.SLOW ? 200 : 4;
    const all = Array.from({ length: seeds }, (_, at) => at + 1);
    await forEachConcurrent(all, 8, async (seed) => {
      const chance = generator(seed);
      const kinds = ["refused", "cut", "cut-late", "lost"] as const;
      const mishap = (): Mishap | undefined => {
        const [hit, which] = [chance(), chance()];
        return hit < 0.2 ? kinds[Math.floor(which * 4)] : undefined;
      };
      await withTemp(async (folder) => {
        const root = join(folder, "root");
        fs.mkdirSync(root);
        const prefix = `seed${seed}`;
        const sure = new S3Storage({ ...options, prefix });
        const states = new Map<string, unknown>();
        await withProxy(options.endpoint, { mishap }, async ({ address }) => {
          const storage = new S3Storage({
            ...options,
            prefix,
            endpoint: address,
          });
          const attempt = async (work: () => Promise<void>) => {
            try {
              await work();
            } catch (error) {
              // A command may fail only with a clear error.
              assert.equal((error as Error).name, "DeltarError", String(error));
            }
          };
          await attempt(async () => void await Repository.create(storage));
          for (let round = 0; round < 3; round++) {
            fs.writeFileSync(
              join(root, `f${round}`),
              noise(30_000, seed + round),
            );
            roundTimes(root);
            await attempt(async () => {
              const repository = await Repository.open(storage);
              const result = await repository.snapshot(everything(root), {
                volumeSize: 16_384,
              });
              states.set(result.record.id, stateOf(root));
              const target = join(folder, `target${round}`);
              await repository.restore(result.record, target);
              assert.deepEqual(stateOf(target), stateOf(root));
              await repository.prune({ last: 2 }, {
                grace: 0,
                patience: 100,
              });
            });
          }
        });
        const repository = await Repository.open(sure);
        const records = await repository.snapshots();
        // Every taken snapshot exists, unless two newer ones exist.
        const ids = records.map(({ id }) => id);
        for (const id of states.keys()) {
          const newer = ids.filter((other) => other > id);
          const isThere = ids.includes(id) || newer.length >= 2;
          assert.ok(isThere, `seed ${seed}: ${id} is lost`);
        }
        for (const record of records) {
          const target = join(folder, record.id);
          const { failed } = await repository.restore(record, target);
          assert.deepEqual(failed, []);
          const state = states.get(record.id);
          if (state !== undefined) assert.deepEqual(stateOf(target), state);
        }
        const { damage } = await repository.verify({ data: true });
        assert.deepEqual(damage, []);
      });
    });
  },
);

test(
  "a key that can only add objects takes snapshots, and can neither delete objects nor set rules [A1]",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    const { bucket } = options;
    const Principal = { AWS: ["arn:aws:iam:::user/other"] };
    // The folders are those of docs/STORAGE.md.
    const folders = [
      "checkpoints",
      "labels",
      "proofs",
      "running",
      "signatures",
      "snapshots",
      "trees",
      "volumes",
    ];
    const policy = {
      Version: "2012-10-17",
      Statement: [
        // In Ceph, an object of another user does not belong to the owner of
        // the bucket.
        {
          Effect: "Allow",
          Principal: { AWS: ["arn:aws:iam:::user/tester"] },
          Action: ["s3:*"],
          Resource: [`arn:aws:s3:::${bucket}/*`],
        },
        {
          Effect: "Allow",
          Principal,
          Action: ["s3:ListBucket"],
          Resource: [`arn:aws:s3:::${bucket}`],
        },
        {
          Effect: "Allow",
          Principal,
          Action: ["s3:GetObject"],
          Resource: [`arn:aws:s3:::${bucket}/*`],
        },
        {
          Effect: "Allow",
          Principal,
          Action: ["s3:PutObject", "s3:AbortMultipartUpload"],
          Resource: folders
            .map((folder) => `arn:aws:s3:::${bucket}/${folder}/*`),
        },
      ],
    };
    await new S3Client(options).ask({
      method: "PUT",
      query: { policy: "" },
      body: new TextEncoder().encode(JSON.stringify(policy)),
    });
    const accessKeyId = `${options.accessKeyId}-other`;
    const storage = new S3Storage({ ...options, accessKeyId });
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      await Repository.create(new S3Storage(options));
      const repository = await Repository.open(storage);
      for (const round of [1, 2]) {
        fs.writeFileSync(join(root, `f${round}`), noise(9_000_000, round));
        roundTimes(root);
        const { record } = await repository.snapshot(everything(root));
        const target = join(folder, `target${round}`);
        await repository.restore(record, target);
        assert.deepEqual(stateOf(target), stateOf(root));
      }
      const before = await Array.fromAsync(storage.list());
      const denied = { code: "io", message: /access is denied/ };
      for (const { name } of before) {
        await assert.rejects(storage.delete(name), denied);
      }
      const id = "20991231T000000Z-000000";
      for (
        const name of [
          `settings/${id}.json`,
          `garbage/${id}.json`,
          `removed/${id}.json`,
          `moves/${before[0].name}.json`,
          "lease/9.json",
          "deltar.json",
        ]
      ) await assert.rejects(storage.put(name, new Uint8Array(9)), denied);
      assert.deepEqual(await Array.fromAsync(storage.list()), before);
      // A user who may delete objects deletes those that the other user left.
      const owner = await Repository.open(new S3Storage(options));
      await owner.prune({}, { grace: 0, patience: 10 });
      const { damage, leftOvers } = await owner.verify({ data: true });
      assert.deepEqual([damage, leftOvers], [[], []]);
    });
  },
);
