import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { request } from "node:http";
import { test } from "node:test";
import { codeOf } from "../../lib/bytes/errors.ts";
import { collect } from "../../lib/bytes/source.ts";
import { S3Client, type S3Options } from "../../lib/storage/s3_client.ts";
import { elementsIn, faultOf } from "../../lib/storage/s3_fault.ts";
import { FIRST_PART_BYTES, partSize } from "../../lib/storage/s3_parts.ts";
import { S3Storage } from "../../lib/storage/s3.ts";
import { MAX_WINDOW_BYTES } from "../../lib/storage/read_ahead.ts";
import { cephBucket, cephStorage, NEEDS_CEPH } from "../support/ceph.ts";
import { generator } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { freePorts } from "../support/ports.ts";
import { type Mishap, withProxy } from "../support/proxy.ts";
import { conforms, count } from "./conforms.ts";

conforms("S3 on Ceph", async (work) => {
  await work(await cephStorage({ prefix: "a b/c+d" }));
}, NEEDS_CEPH);

conforms("S3 on Ceph, every fifth request going wrong", async (work) => {
  const options = await cephBucket();
  const mishap = byChance(1, 0.2);
  await withProxy(
    options.endpoint,
    { mishap },
    ({ address }) => work(new S3Storage({ ...options, endpoint: address })),
  );
}, NEEDS_CEPH);

/**
 * Returns a function that chooses mishaps at random. A repeated request may
 * have none.
 */
function byChance(seed: number, probability: number) {
  const chance = generator(seed);
  return (): Mishap | undefined => {
    const [hit, which] = [chance(), chance()];
    const all = ["refused", "cut", "cut-late", "lost"] as const;
    return hit < probability ? all[Math.floor(4 * which)] : undefined;
  };
}

/** Yields bytes in chunks of about a mebibyte. */
function* inChunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1_000_003) {
    yield bytes.subarray(at, at + 1_000_003);
  }
}

async function isSame(storage: S3Storage, name: string, bytes: Uint8Array) {
  const got = await collect(storage.get(name));
  assert.ok(Buffer.from(got).equals(bytes), name);
}

async function uploads(options: S3Options): Promise<number> {
  const page = await new S3Client(options)
    .askXml({ method: "GET", query: { uploads: "" } });
  return elementsIn(page, "Upload").length;
}

test("S3: parts grow slowly, and are large enough for a tebibyte", () => {
  const sizes = Array.from({ length: 10_000 }, (_, at) => partSize(at + 1));
  const upTo = (size: number) => {
    let sum = 0;
    return sizes.findIndex((part) => (sum += part) >= size);
  };
  // The memory grows with the length of the parts, which are short for a file
  // of 8 GiB.
  assert.equal(sizes[upTo(8 * 2 ** 30)], FIRST_PART_BYTES);
  assert.ok(sizes[upTo(100 * 2 ** 30)] <= 16 * FIRST_PART_BYTES);
  assert.notEqual(upTo(2 ** 40), -1);
  assert.ok(FIRST_PART_BYTES >= 5 * 2 ** 20, "S3 takes no shorter ones");
});

test(
  "S3: large objects are uploaded in parts and read in windows",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    const storage = new S3Storage(options);
    const bytes = noise(40_000_000);
    const lengths = [
      FIRST_PART_BYTES,
      FIRST_PART_BYTES + 1,
      2 * FIRST_PART_BYTES,
      MAX_WINDOW_BYTES,
      2 * MAX_WINDOW_BYTES,
      bytes.length,
    ];
    for (const length of lengths) {
      const name = `n${length}`;
      await storage.put(name, inChunks(bytes.subarray(0, length)));
      await isSame(storage, name, bytes.subarray(0, length));
    }
    const [offset, length] = [7_999_999, 20_000_001];
    const range = await collect(storage.get("n40000000", { offset, length }));
    assert.ok(
      Buffer.from(range).equals(bytes.subarray(offset, offset + length)),
    );
    await assert.rejects(
      storage.put("n40000000", inChunks(bytes), { ifAbsent: true }),
      { code: "exists" },
    );
    await storage.put("other", inChunks(bytes), { ifAbsent: true });
    assert.equal(await uploads(options), 0);
  },
);

test(
  "S3: an upload that fails or is aborted leaves nothing behind",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    const storage = new S3Storage(options);
    const bytes = noise(20_000_000);
    const fault = new Error("the source broke");
    const broken = function* () {
      yield* inChunks(bytes);
      throw fault;
    };
    await assert.rejects(
      storage.put("x", broken()),
      (error) => error === fault,
    );
    const stop = new AbortController();
    const stopped = function* () {
      yield* inChunks(bytes);
      stop.abort();
      yield* inChunks(bytes);
    };
    await assert.rejects(
      storage.put("x", stopped(), { signal: stop.signal }),
      { code: "aborted" },
    );
    assert.equal(await uploads(options), 0);
    assert.deepEqual(await Array.fromAsync(storage.list()), []);
  },
);

test(
  "S3: tidy() aborts the uploads that a killed writer left",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    for (const object of ["mine/a b", "mine/c", "other/x"]) {
      await new S3Client(options)
        .ask({ method: "POST", object, query: { uploads: "" } });
    }
    const storage = new S3Storage({ ...options, prefix: "mine" });
    await storage.tidy(Date.now() - 3_600_000);
    assert.equal(await uploads(options), 3);
    await storage.tidy(Date.now() + 60_000);
    assert.equal(await uploads(options), 1);
  },
);

test("S3: list() continues after a thousand names", NEEDS_CEPH, async () => {
  const storage = await cephStorage({ prefix: "p" });
  const names = Array.from({ length: 1101 }, (_, at) => `f/${at} é+&<`);
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(
      names.slice(at, at + 50).map((name) => storage.put(name, count(1))),
    );
  }
  const found = await Array.fromAsync(storage.list("f/"));
  assert.deepEqual(found.map(({ name }) => name).sort(), [...names].sort());
});

test(
  "S3: failed requests are tried again, and a lost answer is not taken for another writer",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    const bytes = noise(20_000_000);
    for (const mishap of ["refused", "cut", "cut-late", "lost"] as const) {
      const seen = new Set<string>();
      // Each request fails the first time.
      const once = (passing: { method: string; url: string }) => {
        const key = `${passing.method} ${passing.url}`;
        if (seen.has(key)) return undefined;
        seen.add(key);
        return mishap;
      };
      await withProxy(options.endpoint, { mishap: once }, async (proxy) => {
        const storage = new S3Storage({
          ...options,
          endpoint: proxy.address,
          prefix: mishap,
        });
        await storage.put("small", count(9), { ifAbsent: true });
        await storage.put("large", inChunks(bytes), { ifAbsent: true });
        await isSame(storage, "small", count(9));
        await isSame(storage, "large", bytes);
        const found = await Array.fromAsync(storage.list());
        assert.deepEqual(found.map(({ name }) => name), ["large", "small"]);
        await assert.rejects(
          storage.put("small", count(9), { ifAbsent: true }),
          {
            code: "exists",
          },
        );
        await storage.delete("small");
        assert.ok(proxy.passed.length > 20);
      });
    }
  },
);

test(
  "S3: a service that stays unavailable causes an error with the reason",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    const mishap = () => "refused" as const;
    await withProxy(options.endpoint, { mishap }, async (proxy) => {
      // There is no pause between the attempts.
      const { random } = Math;
      Math.random = () => 0;
      try {
        const storage = new S3Storage({ ...options, endpoint: proxy.address });
        await assert.rejects(collect(storage.get("x")), {
          code: "io",
          message: /^x: the service answered GET with status 503 \(http/,
        });
        assert.equal(proxy.passed.length, 8);
      } finally {
        Math.random = random;
      }
    });
  },
);

/**
 * Returns a function that sends requests to the gateway, regardless of their
 * address.
 */
function sendTo(gateway: string) {
  return (address: string, init: RequestInit): Promise<Response> => {
    const { host, pathname, search } = new URL(address);
    const headers = Object.fromEntries(init.headers as Headers);
    return new Promise((resolve, reject) => {
      const sent = request(gateway + pathname + search, {
        method: init.method,
        headers: { ...headers, host },
      }, async (answer) => {
        const parts: Uint8Array[] = await Array.fromAsync(answer);
        const head = answer.headers as Record<string, string>;
        const status = answer.statusCode!;
        const body = status === 204 ? null : Buffer.concat(parts);
        resolve(new Response(body, { status, headers: head }));
      });
      sent.on("error", reject);
      sent.end(init.body as Uint8Array | undefined);
    });
  };
}

test("S3: the bucket can be in the host name", NEEDS_CEPH, async () => {
  const options = await cephBucket();
  const storage = new S3Storage({
    ...options,
    endpoint: "http://s3.example",
    addressing: "virtual",
    fetch: sendTo(options.endpoint),
  });
  await storage.put("a/b c", count(5));
  await isSame(new S3Storage(options), "a/b c", count(5));
  assert.equal((await Array.fromAsync(storage.list())).length, 1);
});

test("S3: the token of temporary keys is sent and signed", async () => {
  const sent: Headers[] = [];
  const storage = new S3Storage({
    bucket: "bucket",
    accessKeyId: "key",
    secretAccessKey: "secret",
    sessionToken: "token",
    fetch: (_, init) => {
      sent.push(init.headers as Headers);
      return Promise.resolve(new Response(null, { status: 204 }));
    },
  });
  await storage.delete("x");
  assert.equal(sent[0].get("x-amz-security-token"), "token");
  assert.match(sent[0].get("authorization")!, /;x-amz-security-token,/);
});

test(
  "S3: each kind of misconfiguration is explained with advice, without a key",
  NEEDS_CEPH,
  async () => {
    const options = await cephBucket();
    await new S3Storage(options).put("x", count(3));
    const [port] = await freePorts(1);
    const cases: [string, Partial<S3Options>, RegExp][] = [
      ["key", { accessKeyId: "WRONGKEY" }, /check AWS_ACCESS_KEY_ID/],
      ["secret", { secretAccessKey: "wrong" }, /check AWS_SECRET_ACCESS_KEY/],
      ["bucket", { bucket: "absent" }, /no such bucket; create it/],
      [
        "network",
        { endpoint: `http://127.0.0.1:${port}` },
        /check the address/,
      ],
    ];
    const check = async (
      what: string,
      wrong: Partial<S3Options>,
      text: RegExp,
    ) => {
      const storage = new S3Storage({ ...options, ...wrong });
      const asks = {
        get: () => collect(storage.get("x")),
        range: () => collect(storage.get("x", { offset: 3, length: 0 })),
        put: () => storage.put("x", count(1)),
        large: () => storage.put("x", inChunks(noise(9_000_000))),
        list: () => Array.fromAsync(storage.list()),
        delete: () => storage.delete("x"),
      };
      for (const [name, ask] of Object.entries(asks)) {
        await assert.rejects(async () => await ask(), (error: Error) => {
          const place = `${what}, ${name}: ${error}`;
          assert.equal((error as { code?: string }).code, "io", place);
          assert.match(error.message, text, place);
          const all = `${error.stack}${error.cause}${JSON.stringify(error)}`;
          for (
            const secret of [
              "WRONGKEY",
              options.accessKeyId,
              options.secretAccessKey,
            ]
          ) {
            assert.ok(!all.includes(secret), place);
          }
          return true;
        });
      }
    };
    for (const [what, wrong, text] of cases) await check(what, wrong, text);
    const { now } = Date;
    for (const hours of [1, -1]) {
      Date.now = () => now() + hours * 3_600_000;
      const which = hours < 0 ? "behind" : "ahead";
      try {
        await check(
          "clock",
          {},
          new RegExp(`clock is (59|60) minutes ${which}`),
        );
      } finally {
        Date.now = now;
      }
    }
  },
);

test("S3: invalid locations and missing keys are reported", () => {
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  assert.throws(() => S3Storage.fromLocation("s3://b", {}), {
    code: "not-found",
    message: /set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/,
  });
  for (const location of ["s3://", "s3:///x", "s3://a b", "s3://b/../c"]) {
    assert.throws(
      () => S3Storage.fromLocation(location, env),
      TypeError,
      location,
    );
  }
  const storage = S3Storage.fromLocation("s3://bucket//a/b/", env);
  assert.equal(storage.location, "s3://bucket/a/b");
});

test("S3: an object that is replaced while it is read does not count as present", () => {
  for (const [method, code] of [["GET", "io"], ["PUT", "exists"]] as const) {
    const error = faultOf({
      method,
      status: 412,
      headers: new Headers(),
      text: "",
      object: "x",
      bucket: "b",
      endpoint: "http://localhost",
    });
    assert.equal(codeOf(error), code);
  }
});
