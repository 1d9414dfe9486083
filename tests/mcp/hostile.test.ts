import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { COMMAND, type Place, withPlace } from "../cli/helpers.ts";
import { withServer } from "./server.ts";

test("a model that names other locations gets an error with advice", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one", "sub/b.txt": "b" });
    const other = join(place.folder, "other");
    fs.mkdirSync(other);
    fs.writeFileSync(join(other, "secret.txt"), "secret");
    fs.symlinkSync(other, join(place.root, "link"));
    const repo = join(place.folder, "repo");
    place.run(["snapshot", "--repo", repo]);
    place.run(["snapshot", "--repo", repo], { cwd: other });
    const foreign = place.json(["list", "--repo", repo, "--dir", other])
      .snapshots[0].id;
    await withServer(place, async (host) => {
      const inputs: [tool: string, input: object][] = [];
      for (
        const path of [
          "../other/secret.txt",
          "sub/../../other/secret.txt",
          join(other, "secret.txt"),
          "/etc/passwd",
          "..",
          "a\0b",
          "x".repeat(4000),
        ]
      ) {
        inputs.push(
          ["read", { path }],
          ["history", { path }],
          ["diff", { paths: [path] }],
          ["restore", { snapshot: "latest", paths: [path] }],
        );
      }
      inputs.push(
        ["status", { path: "../other" }],
        ["status", { path: "/etc" }],
        ["read", { path: "link/secret.txt" }],
        ["read", { path: "a.txt", snapshot: foreign }],
        ["read", { path: "secret.txt", snapshot: `${foreign}` }],
        ["diff", { from: foreign }],
        ["diff", { from: "latest", to: foreign }],
        ["history", { path: "secret.txt", snapshot: foreign }],
        ["restore", { snapshot: foreign }],
        ["restore", { snapshot: "no such" }],
        ["restore", {}],
      );
      for (const tool of ["snapshot", "list", "status", "undo"]) {
        for (const directory of [other, "..", "/", "/root"]) {
          inputs.push([tool, { directory }]);
        }
      }
      for (const [tool, input] of inputs) {
        const told = JSON.stringify(input).slice(0, 200);
        const answer = await host.call(tool, input);
        assert.ok(answer.isError, `${tool} ${told}: ${answer.text}`);
        assert.doesNotMatch(answer.text, /secret$|\n\s+at /, told);
        assert.match(answer.text, /^[^.]+.+\.$/s, answer.text);
        assert.ok(answer.text.length > 40, answer.text);
      }
      const unknown = { repo: other, snapshot: "latest" };
      const refused = await host.call("restore", unknown);
      assert.match(refused.text, /unknown input: repo\. Omit it/);
      assert.ok(refused.isError);
      const list = await host.call("list");
      assert.equal(list.data.count, 1);
      const found = await host.call("find", { pattern: "secret*" });
      assert.deepEqual(found.data.paths, []);
      const inside = await host.call("read", {
        path: join(place.root, "a.txt"),
      });
      assert.equal(inside.data.text, "one");
    }, { words: ["--repo", repo] });
    assert.deepEqual(fs.readdirSync(other), ["secret.txt"]);
  });
});

test("a server of a folder in a project serves only this folder", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one", "sub/b.txt": "one", "sub/c.txt": "one" });
    place.run(["snapshot"]);
    const sub = join(place.root, "sub");
    place.write({ "a.txt": "two", "sub/b.txt": "two" });
    await withServer(
      place,
      async (host) => {
        const diff = await host.call("diff");
        assert.deepEqual(
          diff.data.changes.map(({ path }: { path: string }) => path),
          ["b.txt"],
        );
        const outside = await host.call("read", { path: "../a.txt" });
        assert.match(outside.text, /is outside /);
        const inside = await host.call("read", { path: "b.txt" });
        assert.equal(inside.data.text, "one");
        const plan = await host.call("restore", { snapshot: "latest" });
        assert.equal(plan.data.steps.length, 1, plan.text);
        await host.call("restore", { token: plan.data.token });
      },
      // The folder is the current directory of the server.
      { cwd: sub },
    );
    const read = (path: string) =>
      fs.readFileSync(join(place.root, path), "utf8");
    assert.equal(read("a.txt"), "two");
    assert.equal(read("sub/b.txt"), "one");
  });
});

test("a million results are one page, and long files and patches are truncated", async () => {
  await withPlace(async (place) => {
    const names = Array.from({ length: 700 }, (_, at) => `f${at}.txt`);
    place.write(Object.fromEntries(names.map((name) => [name, "x\n"])));
    place.write({
      "long.txt": "line é\n".repeat(50_000),
      "binary": "a\0b",
      "\u001b[31mred\u202e.txt": "",
    });
    place.run(["snapshot"]);
    place.write(Object.fromEntries(names.map((name) => [name, "y\n"])));
    place.write({ "long.txt": "LINE\n".repeat(50_000) });
    await withServer(place, async (host) => {
      const limit = 1_000_000;
      const found = await host.call("find", { pattern: "*.txt", limit });
      assert.equal(found.data.paths.length, 200);
      assert.equal(found.data.nextOffset, 200);
      assert.match(found.text, /at most 200 results/);
      assert.match(found.text, /call again with offset 200/);
      const seen = new Set<string>();
      for (let offset: number | undefined = 0; offset !== undefined;) {
        const page = await host.call("find", { pattern: "*.txt", offset });
        for (const { path } of page.data.paths) seen.add(path);
        offset = page.data.nextOffset;
      }
      assert.equal(seen.size, 702);

      const diff = await host.call("diff", { limit });
      assert.equal(diff.data.changes.length, 500);
      assert.equal(diff.data.count, 701);
      const cut = await host.call("diff", { paths: ["long.txt"] });
      assert.equal(cut.data.isPatchCut, true);
      assert.ok(cut.data.patch.length <= 50_000);
      assert.match(cut.text, /The patch is cut here/);
      const plan = await host.call("restore", { snapshot: "latest" });
      assert.equal(plan.data.steps.length, 200);
      assert.equal(plan.data.replace, 701);
      assert.match(plan.text, /and 501 more steps/);

      let text = "";
      for (let offset: number | undefined = 0; offset !== undefined;) {
        const part = await host.call("read", {
          path: "long.txt",
          offset,
          limit: 99_999,
        });
        text += part.data.text;
        offset = part.data.nextOffset;
      }
      assert.equal(text, "line é\n".repeat(50_000));
      const much = await host.call("read", { path: "long.txt", limit });
      assert.equal(much.data.nextOffset, 200_000);
      const binary = await host.call("read", { path: "binary" });
      assert.equal(binary.data.isBinary, true);
      assert.equal(binary.data.text, undefined);
      const past = await host.call("read", { path: "long.txt", offset: 1e9 });
      assert.equal(past.data.text, "");
      const red = await host.call("find", { pattern: "*red*" });
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(red.text, /[\u001b\u202e]/);
    });
  });
});

test("ten concurrent calls and canceled calls do no harm", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one", "b.txt": "b" });
    await withServer(place, async (host) => {
      const snapshots = await Promise.all(
        Array.from({ length: 10 }, () => host.call("snapshot")),
      );
      const isNew = snapshots.filter(({ data }) => data.isNew);
      assert.equal(isNew.length, 1);
      place.write({ "a.txt": "two" });
      const plan = await host.call("restore", { snapshot: "latest" });
      const { token } = plan.data;
      const mixed = await Promise.all([
        ...["list", "status", "diff", "find"].flatMap((name) => [
          host.call(name, name === "find" ? { pattern: "*" } : {}),
          host.call(name, name === "find" ? { pattern: "*" } : {}),
        ]),
        ...Array.from({ length: 3 }, () => host.call("restore", { token })),
      ]);
      const failed = mixed.filter(({ isError }) => isError);
      assert.equal(failed.length, 2);
      for (const { text } of failed) assert.match(text, /names no plan/);

      // This is a new token, because a canceled call may have used the old one.
      place.write({ "a.txt": "three" });
      const { data } = await host.call("restore", { snapshot: "latest" });
      const canceled = Array.from({ length: 10 }, () => {
        const stop = new AbortController();
        const request = host.client.callTool(
          { name: "deltar_snapshot", arguments: {} },
          { signal: stop.signal },
        );
        stop.abort();
        return request;
      });
      for (const { status } of await Promise.allSettled(canceled)) {
        assert.equal(status, "rejected");
      }
      const done = await host.call("restore", { token: data.token });
      assert.equal(done.isError, false, done.text);
    });
    assert.equal(fs.readFileSync(join(place.root, "a.txt"), "utf8"), "one");
    assert.equal(place.run(["verify", "--data"]).code, 0);
  });
});

test("the server answers or ignores malformed messages, and continues", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one" });
    const { server, next } = start(place);
    const send = (text: string) => server.stdin?.write(`${text}\n`);
    const call = (id: number, params: unknown) =>
      send(
        JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }),
      );
    send(JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: "2025-06-18",
        capabilities: {},
        clientInfo: { name: "test", version: "1" },
      },
    }));
    assert.equal((await next(1)).result.serverInfo.name, "deltar");
    send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    for (
      const text of [
        "",
        "not JSON",
        "{",
        "[]",
        "null",
        '{"jsonrpc":"2.0"}',
        '{"jsonrpc":"1.0","id":3,"method":"tools/list"}',
        '{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}',
        `{"jsonrpc":"2.0","method":"x","params":"${"y".repeat(100_000)}"}`,
      ]
    ) send(text);
    send('{"jsonrpc":"2.0","id":4,"method":"no/such"}');
    assert.ok((await next(4)).error);
    call(5, { name: "deltar_forget", arguments: {} });
    const unknown = await next(5);
    assert.ok(unknown.error ?? unknown.result.isError);
    const wrong = [
      { limit: -1 },
      { limit: "all" },
      { limit: 1.5 },
      { offset: -1 },
      [],
      "text",
      { directory: 7 },
    ];
    for (const [at, input] of wrong.entries()) {
      call(10 + at, { name: "deltar_list", arguments: input });
      const { error, result } = await next(10 + at);
      assert.ok(error ?? result.isError, JSON.stringify(input));
    }
    call(30, { name: "deltar_snapshot", arguments: {} });
    assert.equal((await next(30)).result.structuredContent.isNew, true);
    const { promise, resolve } = Promise.withResolvers<number | null>();
    server.on("exit", resolve);
    server.stdin?.end();
    assert.equal(await promise, 0);
  });
});

/** Starts a server without a client, and reads its answers by id. */
function start(place: Place) {
  const [program, ...words] = [...COMMAND, "mcp"];
  const server: ChildProcess = spawn(program, words, {
    cwd: place.root,
    env: place.env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  // deno-lint-ignore no-explicit-any
  const answers = new Map<number, any>();
  const waiting = new Map<number, () => void>();
  if (server.stdout === null) throw new Error("no output");
  createInterface({ input: server.stdout }).on("line", (line) => {
    // Every line on standard output must be a message.
    const message = JSON.parse(line);
    answers.set(message.id, message);
    waiting.get(message.id)?.();
  });
  return {
    server,
    // deno-lint-ignore no-explicit-any
    async next(id: number): Promise<any> {
      if (!answers.has(id)) {
        await new Promise<void>((resolve) => waiting.set(id, resolve));
      }
      return answers.get(id);
    },
  };
}
