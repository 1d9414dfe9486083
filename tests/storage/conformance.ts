import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import type { Storage } from "../../lib/storage/storage.ts";

/** Bytes 0, 1, 2 … */
export function count(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at);
}

async function names(storage: Storage, prefix?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.list(prefix)) found.push(name);
  return found.sort();
}

/** Tests the contract of a storage; see lib/storage/storage.ts. */
export function conforms(
  what: string,
  withStorage: (work: (storage: Storage) => Promise<void>) => Promise<void>,
  options: { skip?: string; timeout?: number } = {},
): void {
  const promise = (name: string, work: (storage: Storage) => Promise<void>) =>
    test(`${what}: ${name}`, options, () => withStorage(work));

  promise("what is put is got and listed", async (storage) => {
    await storage.put("a/b", count(5));
    await storage.put("a/empty", new Uint8Array());
    assert.deepEqual(await collect(storage.get("a/b")), count(5));
    assert.deepEqual(await collect(storage.get("a/empty")), new Uint8Array());
    const all: Record<string, number> = {};
    for await (const { name, size } of storage.list()) all[name] = size;
    assert.deepEqual(all, { "a/b": 5, "a/empty": 0 });
  });

  promise("absence is not-found, and only that", async (storage) => {
    const absent = { name: "DeltarError", code: "not-found", object: "a/b" };
    await assert.rejects(collect(storage.get("a/b")), absent);
    assert.deepEqual(await names(storage), []);
    await storage.delete("a/b");
    await storage.put("a/b", count(1));
    await storage.delete("a/b");
    await assert.rejects(collect(storage.get("a/b")), absent);
    assert.deepEqual(await names(storage), []);
  });

  promise("ranges", async (storage) => {
    await storage.put("x", count(10));
    const range = (offset?: number, length?: number) =>
      collect(storage.get("x", { offset, length }));
    assert.deepEqual(await range(3, 4), count(10).slice(3, 7));
    assert.deepEqual(await range(3), count(10).slice(3));
    assert.deepEqual(await range(undefined, 4), count(4));
    assert.deepEqual(await range(0, 10), count(10));
    for (const at of [0, 5, 10]) {
      assert.deepEqual(await range(at, 0), new Uint8Array());
    }
    assert.deepEqual(await range(10), new Uint8Array());
    const beyond: [number?, number?][] = [
      [0, 11],
      [9, 2],
      [10, 1],
      [11, 0],
      [11, 1],
      [11],
      [Number.MAX_SAFE_INTEGER - 1, 1],
    ];
    for (const [offset, length] of beyond) {
      await assert.rejects(range(offset, length), {
        name: "DeltarError",
        code: "truncated",
        object: "x",
      }, `${offset}, ${length}`);
    }
  });

  promise("a reader may stop early", async (storage) => {
    await storage.put("x", new Uint8Array(3_000_000));
    for await (const part of storage.get("x")) {
      assert.ok(part.length > 0);
      break;
    }
    await storage.delete("x");
  });

  promise("put replaces, unless told not to", async (storage) => {
    await storage.put("x", count(3));
    await storage.put("x", count(4));
    assert.deepEqual(await collect(storage.get("x")), count(4));
    await assert.rejects(storage.put("x", count(5), { ifAbsent: true }), {
      name: "DeltarError",
      code: "exists",
      object: "x",
    });
    assert.deepEqual(await collect(storage.get("x")), count(4));
    await storage.put("y", count(5), { ifAbsent: true });
    assert.deepEqual(await names(storage), ["x", "y"]);
  });

  promise("of many puts if absent exactly one wins", async (storage) => {
    const attempts = Array.from({ length: 8 }, (_, at) => {
      const source = async function* () {
        await new Promise((resolve) => setTimeout(resolve, at % 3));
        yield Uint8Array.of(at);
      };
      return storage.put("a/lock", source(), { ifAbsent: true });
    });
    const results = await Promise.allSettled(attempts);
    const won = results.flatMap(({ status }, at) =>
      status === "fulfilled" ? [at] : []
    );
    assert.equal(won.length, 1);
    for (const result of results) {
      if (result.status === "rejected") {
        assert.equal(result.reason.code, "exists");
      }
    }
    assert.deepEqual(
      await collect(storage.get("a/lock")),
      Uint8Array.from(won),
    );
    assert.deepEqual(await names(storage), ["a/lock"]);
  });

  promise("a failing source leaves what was there", async (storage) => {
    // An error that looks like the system's must not be taken for one.
    for (const code of [undefined, "ENOENT", "EEXIST"]) {
      const fault = Object.assign(new Error("the source broke"), { code });
      const source = async function* () {
        await Promise.resolve();
        yield count(1000);
        throw fault;
      };
      await assert.rejects(
        storage.put("a/x", source()),
        (error) => error === fault,
      );
      assert.deepEqual(await names(storage), []);
      await storage.put("a/x", count(2));
      await assert.rejects(storage.put("a/x", source()));
      assert.deepEqual(await collect(storage.get("a/x")), count(2));
      await storage.delete("a/x");
    }
  });

  promise("an abort leaves nothing", async (storage) => {
    const aborted = { name: "DeltarError", code: "aborted" };
    const before = AbortSignal.abort(new Error("enough"));
    for (const source of [count(3), new Uint8Array(), []]) {
      await assert.rejects(
        storage.put("x", source, { signal: before }),
        aborted,
      );
    }
    for (const last of [false, true]) {
      const stop = new AbortController();
      const source = async function* () {
        await Promise.resolve();
        yield count(3);
        stop.abort(new Error("enough"));
        if (!last) yield count(3);
      };
      await assert.rejects(
        storage.put("x", source(), { signal: stop.signal }),
        aborted,
      );
    }
    assert.deepEqual(await names(storage), []);
    await storage.put("x", new Uint8Array(10));
    await assert.rejects(
      collect(storage.get("x", { signal: before })),
      aborted,
    );
  });

  promise(
    "sources of every kind, each chunk taken at once",
    async (storage) => {
      const sources = {
        stream: new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(count(3));
            controller.enqueue(new Uint8Array());
            controller.enqueue(count(2));
            controller.close();
          },
        }),
        iterable: [count(3), count(2)],
        // The same memory again and again, as a careful reader does it.
        reused: (function* () {
          const memory = count(3);
          yield memory;
          memory.set([0, 1]);
          yield memory.subarray(0, 2);
          memory.fill(255);
        })(),
      };
      for (const [name, source] of Object.entries(sources)) {
        await storage.put(name, source);
        assert.deepEqual(
          await collect(storage.get(name)),
          Uint8Array.of(0, 1, 2, 0, 1),
          name,
        );
      }
    },
  );

  promise(
    "the source is pulled, and ended early if it fails",
    async (storage) => {
      let pulled = 0;
      let ended = false;
      const stop = new AbortController();
      const source = async function* () {
        try {
          for (;;) {
            await Promise.resolve();
            if (++pulled === 5) stop.abort();
            yield count(10);
          }
        } finally {
          ended = true;
        }
      };
      await assert.rejects(
        storage.put("x", source(), { signal: stop.signal }),
        { code: "aborted" },
      );
      assert.ok(pulled <= 6, `${pulled} chunks`);
      assert.ok(ended);
    },
  );

  promise("list with prefixes", async (storage) => {
    const all = ["a/b/c", "a/b/d", "a/bc", "ab", "b", "b.c/d"];
    for (const name of all) await storage.put(name, count(1));
    for (
      const prefix of [
        "",
        "a",
        "a/",
        "a/b",
        "a/b/",
        "a/b/c",
        "b",
        "b.",
        "c",
        "a/b/c/d",
      ]
    ) {
      assert.deepEqual(
        await names(storage, prefix),
        all.filter((name) => name.startsWith(prefix)),
        prefix,
      );
    }
  });

  promise("list while things come and go", async (storage) => {
    const fixed = Array.from({ length: 30 }, (_, at) => `f/${at}`);
    for (const name of fixed) await storage.put(name, count(1));
    await storage.put("f/going", count(1));
    const seen = new Map<string, number>();
    let at = 0;
    for await (const { name } of storage.list("f/")) {
      seen.set(name, (seen.get(name) ?? 0) + 1);
      await storage.delete("f/going");
      await storage.put(`f/new${at++ % 5}`, count(2));
    }
    for (const name of fixed) assert.equal(seen.get(name), 1, name);
    for (const [name, times] of seen) assert.equal(times, 1, name);
  });

  promise("a half-written object is not seen", async (storage) => {
    const source = async function* () {
      yield count(3);
      assert.deepEqual(await names(storage), []);
      await assert.rejects(collect(storage.get("x")), { code: "not-found" });
      yield count(3);
    };
    await storage.put("x", source());
    assert.deepEqual(await names(storage), ["x"]);
  });

  promise("names of every kind", async (storage) => {
    const all = [
      "with space",
      "-dash",
      "caf\u00e9/\u{1f600}",
      "cafe\u0301/\u{1f600}",
      "a..b/c.",
      "~",
      "%2e%2e",
      "q?#&",
      "n".repeat(200),
    ];
    for (const name of all) await storage.put(name, count(1));
    assert.deepEqual(await names(storage), [...all].sort());
    for (const name of all) {
      assert.deepEqual(await collect(storage.get(name)), count(1), name);
      await storage.delete(name);
    }
    assert.deepEqual(await names(storage), []);
  });

  promise("what is no name is refused", async (storage) => {
    const bad = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "../a",
      "a/../../b",
      ".hidden",
      "a/.b",
      "a\\b",
      "a\0b",
      "a\nb",
      "a/\u0085",
    ];
    for (const name of bad) {
      const shown = JSON.stringify(name);
      await assert.rejects(storage.put(name, count(1)), TypeError, shown);
      await assert.rejects(collect(storage.get(name)), TypeError, shown);
      await assert.rejects(
        (async () => await storage.delete(name))(),
        TypeError,
        shown,
      );
    }
    assert.deepEqual(await names(storage), []);
  });
}
