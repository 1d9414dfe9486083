/**
 * The conformance suite for `Storage`, for authors of implementations.
 *
 * The suite works with any test runner. It uses `node:assert`, which Deno, Bun
 * and Node provide.
 *
 * @module
 */
import assert from "node:assert/strict";
import { collect } from "../bytes/source.ts";
import type { Storage } from "./storage.ts";

export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";

/** A check of one part of the contract of {@linkcode Storage}. */
export interface StorageCheck {
  /** The part of the contract, as a sentence. */
  name: string;
  /**
   * Runs the check.
   *
   * @param storage An empty storage that is used for this check only.
   * @throws {Error} An `AssertionError`, or an error of the storage, if the
   *   storage does not conform.
   */
  run: (storage: Storage) => Promise<void>;
}

/** Returns `length` bytes that count up from 0, modulo 256. */
function count(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at);
}

async function names(storage: Storage, prefix?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.list(prefix)) found.push(name);
  return found.sort();
}

/**
 * The checks for the parts of the {@linkcode Storage} contract that a caller
 * can test. Run each check as a separate test.
 *
 * @example
 * ```ts
 * import { MemoryStorage } from "@deltar/deltar";
 * import { STORAGE_CHECKS } from "@deltar/deltar/storage/conformance";
 * import assert from "node:assert/strict";
 *
 * let passed = 0;
 * for (const { run } of STORAGE_CHECKS) {
 *   await run(new MemoryStorage());
 *   passed++;
 * }
 * assert.equal(passed, STORAGE_CHECKS.length);
 * ```
 */
export const STORAGE_CHECKS: readonly StorageCheck[] = [
  {
    name: "an object that was put can be read and listed",
    run: async (storage) => {
      await storage.put("a/b", count(5));
      await storage.put("a/empty", new Uint8Array());
      assert.deepEqual(await collect(storage.get("a/b")), count(5));
      assert.deepEqual(await collect(storage.get("a/empty")), new Uint8Array());
      const all: Record<string, number> = {};
      for await (const { name, size } of storage.list()) all[name] = size;
      assert.deepEqual(all, { "a/b": 5, "a/empty": 0 });
    },
  },

  {
    name: "get() of an absent object throws `not-found`, and delete() succeeds",
    run: async (storage) => {
      const absent = { name: "DeltarError", code: "not-found", object: "a/b" };
      await assert.rejects(collect(storage.get("a/b")), absent);
      assert.deepEqual(await names(storage), []);
      await storage.delete("a/b");
      await storage.put("a/b", count(1));
      await storage.delete("a/b");
      await assert.rejects(collect(storage.get("a/b")), absent);
      assert.deepEqual(await names(storage), []);
    },
  },

  {
    name: "get() reads a range exactly, and throws `truncated` beyond the end",
    run: async (storage) => {
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
    },
  },

  {
    name: "get() with `clamp` shortens a range to the end of the object",
    run: async (storage) => {
      await storage.put("x", count(10));
      const range = (offset: number, length: number) =>
        collect(storage.get("x", { offset, length, clamp: true }));
      assert.deepEqual(await range(3, 4), count(10).slice(3, 7));
      assert.deepEqual(await range(3, 100), count(10).slice(3));
      assert.deepEqual(await range(10, 5), new Uint8Array());
      await assert.rejects(range(11, 5), { code: "truncated", object: "x" });
    },
  },

  {
    name: "a reader can stop early",
    run: async (storage) => {
      await storage.put("x", new Uint8Array(3_000_000));
      for await (const part of storage.get("x")) {
        assert.ok(part.length > 0);
        break;
      }
      await storage.delete("x");
    },
  },

  {
    name: "put() replaces an object, except with `ifAbsent`",
    run: async (storage) => {
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
    },
  },

  {
    name:
      "of several concurrent put() calls with `ifAbsent`, exactly one succeeds",
    run: async (storage) => {
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
    },
  },

  {
    name: "put() keeps the old object if the source fails",
    run: async (storage) => {
      // An error of the source must be rethrown unchanged, even if it has the
      // code of a system error.
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
    },
  },

  {
    name: "an aborted put() stores no object, and an aborted get() fails",
    run: async (storage) => {
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
    },
  },

  {
    name: "put() accepts every kind of source, even if chunks share memory",
    run: async (storage) => {
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
        // Each chunk reuses the memory of the chunk before it.
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
  },

  {
    name: "an aborted put() stops reading the source and ends it",
    run: async (storage) => {
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
  },

  {
    name: "list() accepts any prefix",
    run: async (storage) => {
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
    },
  },

  {
    name: "list() yields each object once while others are stored and deleted",
    run: async (storage) => {
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
    },
  },

  {
    name: "an object does not appear before it is complete",
    run: async (storage) => {
      const source = async function* () {
        yield count(3);
        assert.deepEqual(await names(storage), []);
        await assert.rejects(collect(storage.get("x")), { code: "not-found" });
        yield count(3);
      };
      await storage.put("x", source());
      assert.deepEqual(await names(storage), ["x"]);
    },
  },

  {
    name: "valid names of every kind are kept unchanged",
    run: async (storage) => {
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
    },
  },

  {
    name: "put(), get() and delete() refuse an invalid name with a TypeError",
    run: async (storage) => {
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
    },
  },
];
