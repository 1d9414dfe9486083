import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { HttpStorage } from "../../lib/storage/http.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { noise } from "../support/noise.ts";
import { freePorts } from "../support/ports.ts";
import { withWebServer } from "../support/web_server.ts";
import { conforms, count } from "./conforms.ts";

/**
 * Returns a storage that writes to `behind`, and reads it through a web server.
 */
function throughWeb(behind: Storage, address: string): Storage {
  const web = new HttpStorage(address);
  return {
    location: web.location,
    get: (name, options) => web.get(name, options),
    list: (prefix) => web.list(prefix),
    put: (name, source, options) => behind.put(name, source, options),
    delete: (name) => behind.delete(name),
  };
}

conforms("HTTP", async (work) => {
  const behind = new MemoryStorage();
  await withWebServer(behind, (address) => work(throughWeb(behind, address)));
});

test("HTTP: nothing can be written", async () => {
  const storage = new HttpStorage("http://127.0.0.1:9");
  const readOnly = { name: "DeltarError", code: "unsupported" };
  await assert.rejects(storage.put("x"), readOnly);
  await assert.rejects(storage.delete("x"), readOnly);
});

test("HTTP: objects of several windows are read correctly", async () => {
  const behind = new MemoryStorage();
  await behind.put("x", noise(30_000_000));
  await withWebServer(behind, async (address) => {
    const storage = new HttpStorage(address);
    const offset = 999;
    const got = await collect(storage.get("x", { offset }));
    assert.ok(Buffer.from(got).equals(noise(30_000_000).subarray(offset)));
  });
});

test("HTTP: servers without a required feature are refused with an explanation", async () => {
  const behind = new MemoryStorage();
  await behind.put("a/x", count(10));
  const io = (words: RegExp) => (error: { code: string; message: string }) => {
    assert.equal(error.code, "io");
    assert.match(error.message, words);
    return true;
  };
  await withWebServer(behind, async (address) => {
    const storage = new HttpStorage(address);
    await assert.rejects(
      collect(storage.get("a/x", { offset: 3 })),
      io(/does not support byte ranges/),
    );
    assert.deepEqual(await collect(storage.get("a/x")), count(10));
    assert.deepEqual(
      await collect(storage.get("a/x", { length: 3 })),
      count(3),
    );
  }, { withoutRanges: true });
  await withWebServer(behind, async (address) => {
    await assert.rejects(
      Array.fromAsync(new HttpStorage(address).list()),
      io(/denies access/),
    );
  }, { withoutLists: true });
});

test("HTTP: a user and a password are sent, but never shown", async () => {
  const behind = new MemoryStorage();
  await behind.put("x", count(10));
  await withWebServer(behind, async (address) => {
    const { host, pathname } = new URL(address);
    const login = `http://m%C3%A9:s%3Aecret@${host}${pathname}?token=hidden`;
    const storage = new HttpStorage(login);
    assert.equal(storage.location, address);
    assert.deepEqual(await collect(storage.get("x")), count(10));
    const wrong = new HttpStorage(login.replace("ecret", "other"));
    await assert.rejects(collect(wrong.get("x")), (error) => {
      assert.match(String(error), /requires a user and a password/);
      assert.doesNotMatch(
        JSON.stringify([error, String(error)]),
        /other|hidden/,
      );
      return true;
    });
  }, { login: Buffer.from("mé:s:ecret").toString("latin1") });
});

test("HTTP: an address with an invalid user or password is refused", () => {
  for (
    const [login, what] of [["me%:secret", "user"], ["me:100%", "password"]]
  ) {
    assert.throws(() => new HttpStorage(`https://${login}@example.com/`), {
      name: "TypeError",
      message: new RegExp(`^the ${what} in the location .* as %25$`),
    });
  }
});

test("HTTP: a missing host is not reported as a missing object", async () => {
  const [port] = await freePorts(1);
  const storage = new HttpStorage(`http://127.0.0.1:${port}/x`);
  await assert.rejects(collect(storage.get("x")), {
    code: "io",
    // The message names the error only once, whatever the runtime calls it.
    message:
      /^127\.0\.0\.1:\d+: the server cannot be reached(?!.*([A-Z]{8,}).*\1)/,
  });
});
