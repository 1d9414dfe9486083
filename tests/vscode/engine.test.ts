/** The engine, with threads that answer as a test needs it. */
import assert from "node:assert/strict";
import { ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Engine } from "../../extension/src/host/engine.ts";
import type { FolderConfig } from "../../extension/src/shared/protocol.ts";
import { withTemp } from "../support/temp.ts";

const config = {} as FolderConfig;
const root = join(import.meta.dirname!, "../..");
const script = join(root, "extension/src/worker/process.ts");

/** A thread that answers each call with the ids of its process and itself. */
const IDS = `parentPort.on("message", ({ id }) => {
  if (id !== undefined) answer(id, [process.pid, threadId]);
});`;

/** Runs a test with an engine whose threads run `code`. */
function withEngine(
  code: string,
  use: (engine: Engine, output: () => string) => Promise<void>,
): Promise<void> {
  return withTemp(async (temp) => {
    let output = "";
    const engine = new Engine({
      process: script,
      worker: writeWorker(temp, code),
      onOutput: (text) => output += text,
    });
    try {
      await use(engine, () => output);
    } finally {
      await engine.dispose();
    }
  });
}

function writeWorker(folder: string, code: string): string {
  const worker = join(folder, "worker.cjs");
  fs.writeFileSync(
    worker,
    `const { parentPort, threadId } = require("node:worker_threads");
    const answer = (id, result) => parentPort.postMessage({ id, result });
    ${code}`,
  );
  return worker;
}

/** Returns the ids of the process and the thread that answer. */
async function ids(
  engine: Engine,
  thread: "writer" | "reader" = "reader",
): Promise<number[]> {
  const [pid, id]: unknown[] = await engine[thread].call("list", { config });
  return [pid, id] as number[];
}

/** Counts the messages that this process sends to its child process. */
function countMessages(): { count: number } {
  const { _getActiveHandles: handles } = process as unknown as {
    _getActiveHandles: () => unknown[];
  };
  const sent = { count: 0 };
  for (const child of handles()) {
    if (!(child instanceof ChildProcess)) continue;
    const { send } = child;
    child.send = ((...words: Parameters<typeof send>) => {
      sent.count++;
      return send.apply(child, words);
    }) as typeof send;
  }
  return sent;
}

function isAlive(pid: number): boolean {
  try {
    // A process that has ended can wait for its parent.
    return !/^State:\s+Z/m.test(
      fs.readFileSync(`/proc/${pid}/status`, "utf8"),
    );
  } catch {
    return false;
  }
}

/** Waits until something is true, for at most a minute. */
async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !await is(); tries++) {
    assert.ok(tries < 6000);
    await sleep(10);
  }
}

/** Pieces that the thread sends one by one, and the result without them. */
function sendPieces(pieces: string, rest: string): string {
  return `const pieces = ${pieces};
    let request;
    parentPort.on("message", ({ id, next }) => {
      if (id !== undefined) request = id;
      else if (next !== request) throw new Error("another request");
      const piece = pieces.shift();
      if (piece === undefined) answer(request, ${rest});
      else parentPort.postMessage({ id: request, piece });
    });`;
}

test("Engine asks for the pieces of a long list one by one", () =>
  withEngine(
    sendPieces(
      `[{ list: ["a", "b"] }, { list: ["c"] }, { list: ["d", "e"] }]`,
      "[]",
    ),
    async ({ reader }) => {
      const list: unknown[] = await reader.call("list", { config });
      assert.deepEqual(list, ["a", "b", "c", "d", "e"]);
    },
  ));

test("Engine joins the pieces of the lists in a result", () =>
  withEngine(
    sendPieces(
      `[
        { list: ["a"], of: "deleted" },
        { list: ["b"], of: "deleted" },
        { list: ["c"], of: "created" },
      ]`,
      `{ overwritten: ["d"], deleted: [], created: [], touched: 7 }`,
    ),
    async ({ reader }) => {
      const preview: unknown = await reader.call("previewRestore", {
        config,
        request: { id: "", deleteOthers: false },
      });
      assert.deepEqual(preview, {
        overwritten: ["d"],
        deleted: ["a", "b"],
        created: ["c"],
        touched: 7,
      });
    },
  ));

test("Engine joins the pieces of a content", () =>
  withEngine(
    sendPieces(
      `[
        { bytes: new Uint8Array([1, 2]), offset: 0, size: 3 },
        { bytes: new Uint8Array([3]), offset: 2, size: 3 },
      ]`,
      "undefined",
    ),
    async ({ reader }) => {
      const read = { config, id: "", path: "" };
      const content = await reader.call("read", read);
      assert.deepEqual(content, new Uint8Array([1, 2, 3]));
    },
  ));

test("Engine passes values in both directions as they are", () =>
  withEngine(
    `parentPort.on("message", ({ id, params }) => answer(id, params.value));`,
    async ({ writer }) => {
      const values = [
        undefined,
        12345678901234567890n,
        new Uint8Array([0, 255, 7]),
        new Uint8Array(),
        new Map<unknown, unknown>([["a", 1n], [2, undefined]]),
        { a: undefined, list: [new Uint8Array([9]), null, "\u{1F600}\ud800"] },
      ];
      for (const value of values) {
        const params = { config, value } as { config: FolderConfig };
        const result: unknown = await writer.call("usage", params);
        assert.deepEqual(result, value);
      }
    },
  ));

test("long contents and lists of the library arrive whole, in pieces", () =>
  withTemp(async (temp) => {
    const { XDG_STATE_HOME } = process.env;
    // The library creates the id of this machine there.
    process.env.XDG_STATE_HOME = join(temp, "state");
    const directory = join(temp, "folder");
    fs.mkdirSync(directory);
    const content = randomBytes(2_500_000);
    fs.writeFileSync(join(directory, "large.bin"), content);
    fs.writeFileSync(join(directory, "empty.bin"), "");
    const names = Array.from({ length: 2500 }, (_, at) => `${10_000 + at}.txt`);
    for (const name of names) fs.writeFileSync(join(directory, name), name);
    const engine = new Engine({
      process: script,
      worker: join(root, "extension/src/worker/worker.ts"),
    });
    const folder: FolderConfig = {
      directory,
      repository: join(temp, "repository"),
      isOwnStorage: false,
      cache: join(temp, "cache"),
      originals: join(temp, "cache", "originals"),
      excludes: [],
      gitignore: true,
      excludeCaches: false,
      encrypt: false,
    };
    try {
      const config = folder;
      const { snapshot } = await engine.writer.call("snapshot", { config });
      const { id } = snapshot;
      const sent = countMessages();
      const read = (path: string) =>
        engine.reader.call("read", { config, id, path });
      assert.deepEqual(await read("large.bin"), new Uint8Array(content));
      // The request, and one message for each piece.
      assert.equal(sent.count, 1 + Math.ceil(content.length / 2 ** 19));
      assert.deepEqual(await read("empty.bin"), new Uint8Array());
      const changes = await engine.reader.call("compare", {
        config,
        before: undefined,
        after: id,
      });
      assert.deepEqual(
        changes.map(({ path }) => path),
        [...names, "empty.bin", "large.bin"],
      );
      for (const name of names) fs.rmSync(join(directory, name));
      const preview = await engine.reader.call("previewRestore", {
        config,
        request: { id, deleteOthers: false },
      });
      assert.deepEqual(preview.created, names);
      assert.deepEqual(preview.deleted, []);
    } finally {
      process.env.XDG_STATE_HOME = XDG_STATE_HOME ?? "";
      await engine.dispose();
    }
  }));

test("Engine runs both threads in one process", () =>
  withEngine(IDS, async (engine) => {
    const [[pid, one], [other, two]] = await Promise.all([
      ids(engine, "writer"),
      ids(engine, "reader"),
    ]);
    assert.notEqual(pid, process.pid);
    assert.equal(pid, other);
    assert.notEqual(one, two);
    assert.deepEqual(await ids(engine, "writer"), [pid, one]);
  }));

test("Engine ends idle threads, and the process with the last of them", () =>
  withEngine(
    `parentPort.on("message", ({ id, method }) => {
      if (id === undefined) return;
      answer(id, [process.pid, threadId]);
      if (method === "usage") parentPort.postMessage({ idle: true });
    });`,
    async (engine) => {
      const { writer, reader } = engine;
      const [pid, first] = await ids(engine, "writer");
      const before = await ids(engine);
      let last: unknown[] = [];
      // A thread that is called before the host knows that it is idle goes on.
      await until(async () => {
        last = await writer.call("usage", { config }) as unknown as number[];
        return last[1] !== first;
      });
      assert.equal(last[0], pid);
      assert.deepEqual(await ids(engine), before);
      await until(async () => {
        await writer.call("usage", { config });
        await reader.call("usage", { config });
        await sleep(10);
        return !isAlive(pid);
      });
      assert.notEqual((await ids(engine))[0], pid);
      // Two calls at once: the second one keeps the thread.
      const both = await Promise.all([
        reader.call("usage", { config }),
        ids(engine),
      ]);
      assert.deepEqual(both[0], both[1]);
    },
  ));

test("a crash of the process fails its calls, and the next call works", () =>
  withEngine(
    `parentPort.on("message", ({ id, method }) => {
      if (method === "list") answer(id, [process.pid, threadId]);
    });`,
    async (engine) => {
      const [pid] = await ids(engine);
      const calls = [engine.writer, engine.reader].map((thread) =>
        assert.rejects(
          thread.call("usage", { config }),
          {
            name: "EngineError",
            message: "the process that reads and stores snapshots has ended " +
              "(SIGKILL); try again",
          },
        )
      );
      process.kill(pid, "SIGKILL");
      await Promise.all(calls);
      const [next] = await ids(engine);
      assert.notEqual(next, pid);
    },
  ));

test("a crash of a thread fails its calls alone", () =>
  withEngine(
    `parentPort.on("message", ({ id, method, params }) => {
      if (method === "usage") throw new Error("worn out");
      else if (method === "forget") setTimeout(answer, 500, id);
      else answer(id, [process.pid, threadId]);
    });`,
    async (engine) => {
      const [pid, thread] = await ids(engine, "writer");
      const other = engine.reader.call("forget", { config, id: "" });
      await assert.rejects(engine.writer.call("usage", { config }), {
        message: "the writer thread of Deltar has ended: worn out; try again",
      });
      await other;
      const [same, another] = await ids(engine, "writer");
      assert.equal(same, pid);
      assert.notEqual(another, thread);
    },
  ));

test("a call that is sent after a thread has crashed does not fail", () =>
  withEngine(
    `parentPort.on("message", ({ id, method }) => {
      if (method === "usage") throw new Error("worn out");
      answer(id, [process.pid, threadId]);
    });`,
    async (engine) => {
      await ids(engine, "writer");
      const crash = assert.rejects(engine.writer.call("usage", { config }));
      await sleep(0);
      // Meanwhile, the news of the crash arrives, and is not read yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000);
      const [pid] = await ids(engine, "writer");
      await crash;
      // After a crash without other calls, the process is not needed.
      await assert.rejects(engine.writer.call("usage", { config }));
      await until(() => !isAlive(pid));
    },
  ));

test("a process that cannot start fails its calls with the reason", () =>
  withTemp(async (temp) => {
    let output = "";
    const engine = new Engine({
      process: join(temp, "missing.cjs"),
      worker: join(temp, "worker.cjs"),
      onOutput: (text) => output += text,
    });
    await assert.rejects(
      engine.reader.call("list", { config }),
      /has ended \(exit code 1\); try again/,
    );
    assert.match(output, /Cannot find module .*missing\.cjs/);
    await engine.dispose();
  }));

test("dispose() fails the calls in progress", () =>
  withEngine("parentPort.on('message', () => {});", async (engine) => {
    const failed = assert.rejects(
      engine.reader.call("list", { config }),
      /has ended/,
    );
    await engine.dispose();
    await failed;
  }));

test("a signal of the terminal does not end the process", () =>
  withEngine(IDS, async (engine) => {
    const before = await ids(engine);
    for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) {
      process.kill(before[0], signal);
    }
    await sleep(100);
    assert.deepEqual(await ids(engine), before);
  }));

test("the process gets the environment of the host without VS Code's own", () =>
  withTemp(async (temp) => {
    const variables = {
      HTTPS_PROXY: "http://proxy.example",
      NODE_EXTRA_CA_CERTS: join(temp, "none.pem"),
      VSCODE_IPC_HOOK: join(temp, "socket"),
      ELECTRON_NO_ATTACH_CONSOLE: "1",
      NODE_OPTIONS: "--stack-trace-limit=7",
    };
    const worker = writeWorker(
      temp,
      `parentPort.on("message", ({ id }) =>
        answer(id, [{ ...process.env }, process.execArgv, process.argv]));`,
    );
    // The arguments are a debugger's, which the process must not have, too.
    const result = await runHost(temp, worker, {
      env: { ...process.env, ...variables },
      arguments: ["--inspect=0"],
      code: `console.log(JSON.stringify(await engine.reader.call("list", {})));
        await engine.dispose();`,
    }).output;
    const [env, execArgv] = JSON.parse(result);
    assert.equal(env.HOME, process.env.HOME);
    assert.equal(env.HTTPS_PROXY, variables.HTTPS_PROXY);
    assert.equal(env.NODE_EXTRA_CA_CERTS, variables.NODE_EXTRA_CA_CERTS);
    assert.equal(env.VSCODE_IPC_HOOK, undefined);
    assert.equal(env.NODE_OPTIONS, undefined);
    assert.deepEqual(
      Object.keys(env).filter((name) => name.startsWith("ELECTRON_")).sort(),
      ["ELECTRON_NO_ASAR", "ELECTRON_RUN_AS_NODE"],
    );
    assert.deepEqual(execArgv, []);
  }));

test("the process ends when its host was killed, even while a thread is busy", () =>
  withTemp(async (temp) => {
    const worker = writeWorker(
      temp,
      `parentPort.on("message", ({ id, method }) => {
        if (method === "list") answer(id, [process.pid]);
        else for (;;);
      });`,
    );
    const host = runHost(temp, worker, {
      code: `const [pid] = await engine.reader.call("list", {});
        void engine.writer.call("usage", {});
        console.log(pid);`,
    });
    const pid = Number(await host.first);
    assert.ok(isAlive(pid));
    host.kill();
    await until(() => !isAlive(pid));
  }));

/** Runs code with an engine in a process like an extension host. */
function runHost(
  folder: string,
  worker: string,
  { code, env, arguments: words = [] }: {
    code: string;
    env?: NodeJS.ProcessEnv;
    arguments?: string[];
  },
): { first: Promise<string>; output: Promise<string>; kill: () => void } {
  const file = join(folder, "host.mjs");
  const source = join(root, "extension/src/host/engine.ts");
  fs.writeFileSync(
    file,
    `import { Engine } from ${JSON.stringify(source)};
    const engine = new Engine(${JSON.stringify({ process: script, worker })});
    ${code}`,
  );
  const host = spawn(process.execPath, [...words, file], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let output = "";
  host.stdout.setEncoding("utf8").on("data", (text) => output += text);
  const ended = new Promise<string>((resolve) =>
    host.on("close", () => resolve(output))
  );
  const first = new Promise<string>((resolve) =>
    host.stdout.on("data", () => resolve(output))
  );
  return { first, output: ended, kill: () => host.kill("SIGKILL") };
}
