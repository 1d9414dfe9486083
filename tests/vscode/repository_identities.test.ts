import assert from "node:assert/strict";
import { test } from "node:test";
import { RepositoryIdentities } from "../../extension/src/host/folders/repository_identities.ts";
import type { FolderConfig } from "../../extension/src/shared/protocol.ts";

const base: FolderConfig = {
  directory: "/folder",
  repository: "s3://bucket/folder-1",
  isOwnStorage: false,
  cache: "/cache",
  originals: "/cache/originals",
  excludes: [],
  gitignore: true,
  excludeCaches: false,
  encrypt: true,
  key: { passphrase: "correct horse" },
  env: { AWS_ACCESS_KEY_ID: "me", AWS_SECRET_ACCESS_KEY: "old secret" },
};

const changes: [string, Partial<FolderConfig>][] = [
  ["another key", { key: { passphrase: "another" } }],
  ["other credentials", {
    env: { AWS_ACCESS_KEY_ID: "me", AWS_SECRET_ACCESS_KEY: "new secret" },
  }],
  ["another endpoint", {
    env: { ...base.env, AWS_ENDPOINT_URL: "https://example.org" },
  }],
];

for (const [what, change] of changes) {
  test(`RepositoryIdentities forgets identities after ${what} was set`, async () => {
    const identities = new RepositoryIdentities();
    const changed = { ...base, ...change };
    identities.remember(base, () => Promise.resolve(["one"]));
    assert.deepEqual(await identities.get(base), ["one"]);
    assert.deepEqual(await identities.get(changed), []);
    assert.deepEqual(await identities.get(base), []);
    // The identities that are read later take the place of the earlier ones.
    identities.remember(base, () => Promise.resolve(["one"]));
    identities.remember(changed, () => Promise.resolve(["two"]));
    assert.deepEqual(await identities.get(changed), ["two"]);
    assert.deepEqual(await identities.get(base), []);
  });
}

test("RepositoryIdentities has the identities of each location", async () => {
  const identities = new RepositoryIdentities();
  const other = { ...base, repository: "s3://bucket/folder-2" };
  identities.remember(base, () => Promise.resolve(["one"]));
  identities.remember(other, () => Promise.resolve(["two"]));
  assert.deepEqual(await identities.get(base), ["one"]);
  assert.deepEqual(await identities.get(other), ["two"]);
});
