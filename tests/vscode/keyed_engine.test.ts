import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { KeyedEngine } from "../../extension/src/host/folders/keyed_engine.ts";
import { RepositoryIdentities } from "../../extension/src/host/folders/repository_identities.ts";
import type {
  FolderConfig,
  OwnKey,
} from "../../extension/src/shared/protocol.ts";
import { createMethods } from "../../extension/src/worker/methods.ts";
import { Repositories } from "../../extension/src/worker/repositories.ts";
import { RepositoryDraft } from "../../extension/src/worker/repository_draft.ts";
import { LocalStorage } from "../../mod.ts";
import { withTemp } from "../support/temp.ts";

const work = { signal: new AbortController().signal, progress: () => {} };

/** Calls a method as a worker that has just started. */
function inNewWorker(
  method: "list" | "identities",
  config: FolderConfig,
): Promise<unknown> {
  return Promise.resolve(
    createMethods(new Repositories())[method]({ config }, work),
  );
}

test("a key is derived from a passphrase once, although workers end", {
  timeout: 120_000,
}, () =>
  withTemp(async (temp) => {
    process.env.XDG_STATE_HOME = join(temp, "state");
    const directory = join(temp, "folder");
    fs.mkdirSync(directory);
    const config: FolderConfig = {
      directory,
      repository: join(temp, "repository"),
      isOwnStorage: true,
      cache: join(temp, "cache"),
      originals: join(temp, "cache", "originals"),
      excludes: [],
      gitignore: true,
      excludeCaches: false,
      encrypt: true,
    };
    const passphrase = "correct horse battery staple of words";
    const first = { name: "vscode", to: { passphrase } };
    const draft = await RepositoryDraft.make(first);
    await draft.store(new LocalStorage(config.repository));
    let key: OwnKey | undefined = { passphrase };
    const calls: [string, FolderConfig][] = [];
    const engine = new KeyedEngine(
      {
        // deno-lint-ignore no-explicit-any
        call(method: any, { config }: any): Promise<any> {
          calls.push([method, config]);
          return inNewWorker(method, config);
        },
      },
      { get: () => Promise.resolve(key) },
      new RepositoryIdentities(),
    );
    const list = () => engine.call("list", { config });
    await list();
    await list();
    await list();
    assert.deepEqual(
      calls.map(([method]) => method),
      ["list", "identities", "list", "list"],
    );
    const [, , [, second], [, third]] = calls;
    assert.equal(second.identities?.length, 1);
    assert.deepEqual(third.identities, second.identities);
    // With the identities, the passphrase is not used.
    const wrong = { ...second, key: { passphrase: "wrong" } };
    await inNewWorker("list", wrong);
    const alone = { ...wrong, identities: [] };
    await assert.rejects(inNewWorker("list", alone), { code: "key" });

    key = undefined;
    await assert.rejects(list(), { code: "key" });
    assert.equal(calls.at(-1)?.[1].identities, undefined);
  }));
