/** The engine with a worker whose answers the test determines. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Engine } from "../../extension/src/host/engine.ts";
import type { FolderConfig } from "../../extension/src/shared/protocol.ts";
import { withTemp } from "../support/temp.ts";

const config = {} as FolderConfig;

/** Runs a test with an engine whose worker runs `script`. */
function withEngine(
  script: string,
  use: (engine: Engine) => Promise<void>,
): Promise<void> {
  return withTemp(async (temp) => {
    const file = join(temp, "worker.cjs");
    fs.writeFileSync(
      file,
      `const { parentPort, threadId } = require("node:worker_threads");
      ${script}`,
    );
    const engine = new Engine(file);
    try {
      await use(engine);
    } finally {
      await engine.dispose();
    }
  });
}

test("Engine.call() asks for the pieces of a long list one by one", () =>
  withEngine(
    `const pieces = [["a", "b"], ["c"], ["d", "e"]];
    let request;
    parentPort.on("message", ({ id, next }) => {
      if (id !== undefined) request = id;
      else if (next !== request) throw new Error("another request");
      const piece = pieces.shift();
      parentPort.postMessage(
        piece ? { id: request, piece } : { id: request, result: [] },
      );
    });`,
    async (engine) => {
      const list: unknown[] = await engine.call("list", { config });
      assert.deepEqual(list, ["a", "b", "c", "d", "e"]);
    },
  ));

test("Engine.call() starts another thread after an idle one was ended", () =>
  withEngine(
    `parentPort.on("message", ({ id }) => {
      parentPort.postMessage({ id, result: [threadId] });
      parentPort.postMessage({ idle: true });
    });`,
    async (engine) => {
      const call = async () => {
        const [thread] = await engine.call("list", { config });
        return thread;
      };
      const first = await call();
      let last = first;
      for (let tries = 0; tries < 1000 && last === first; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        last = await call();
      }
      assert.notEqual(last, first);
      // The second of two concurrent calls keeps the thread.
      const both = await Promise.all([call(), call()]);
      assert.equal(both[0], both[1]);
    },
  ));
