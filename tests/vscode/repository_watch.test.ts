import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RepositoryWatch } from "../../extension/src/host/snapshots/repository_watch.ts";
import { withTemp } from "../support/temp.ts";

const infosOf = (ids: string[]) => ids.map((id) => ({ id }));

/** The folders of a workspace, each with its own repository. */
class Folders {
  readonly refreshed: string[] = [];
  change = () => {};
  all: object[] = [];

  onDidChange = (listener: () => void) => {
    this.change = listener;
    return { dispose: () => {} };
  };

  add(name: string, repository: string, ids: string[], isBusy = false): void {
    this.all.push({
      config: { repository },
      isBusy,
      listed: infosOf(ids),
      safetySnapshots: [],
      refresh: () => this.refreshed.push(name),
    });
  }

  async until(count: number): Promise<void> {
    for (let tries = 0; this.refreshed.length < count; tries++) {
      assert.ok(tries < 600, "the snapshots were not listed again");
      await sleep(100);
    }
  }
}

/** Waits until a change would have been noticed. */
const settled = () => sleep(1000);

test("RepositoryWatch lists snapshots again when other programs change them", () =>
  withTemp(async (temp) => {
    const [one, two] = ["one", "two"].map((name) => join(temp, name));
    const record = (repository: string, id: string) =>
      join(repository, "snapshots", `${id}.json`);
    fs.mkdirSync(join(one, "snapshots"), { recursive: true });
    fs.writeFileSync(record(one, "a"), "");
    const folders = new Folders();
    folders.add("one", one, ["a"]);
    folders.add("two", two, []);
    folders.add("remote", "s3://bucket/two", []);
    const watch = new RepositoryWatch(folders as never);
    try {
      await settled();
      // The list already has the changes of the extension's own work.
      fs.writeFileSync(record(one, "a"), "changed");
      await settled();
      assert.deepEqual(folders.refreshed, []);
      fs.writeFileSync(record(one, "b"), "");
      await folders.until(1);
      assert.deepEqual(folders.refreshed, ["one"]);
      // A file other than a record, and a record of another directory that is
      // not in the list, do not affect the next record.
      fs.writeFileSync(join(one, "snapshots", ".deltar-stage-1"), "");
      await settled();
      assert.equal(folders.refreshed.length, 1);
      // A repository is noticed when another program creates it.
      fs.mkdirSync(join(two, "snapshots"), { recursive: true });
      fs.writeFileSync(record(two, "c"), "");
      await folders.until(2);
      assert.deepEqual(folders.refreshed, ["one", "two"]);
      fs.writeFileSync(record(two, "d"), "");
      await folders.until(3);
      assert.deepEqual(folders.refreshed, ["one", "two", "two"]);
      // If a deleted record was not in the list, the snapshots are not listed
      // again.
      fs.rmSync(record(two, "d"));
      await settled();
      assert.equal(folders.refreshed.length, 3);
      // A folder that is no longer open is not watched.
      folders.all = folders.all.slice(1);
      folders.change();
      fs.rmSync(record(one, "a"));
      await settled();
      assert.equal(folders.refreshed.length, 3);
    } finally {
      watch.dispose();
    }
    fs.writeFileSync(record(two, "e"), "");
    await settled();
    assert.equal(folders.refreshed.length, 3);
  }));

test("RepositoryWatch does not refresh folders that are busy", () =>
  withTemp(async (temp) => {
    fs.mkdirSync(join(temp, "snapshots"));
    const folders = new Folders();
    folders.add("busy", temp, [], true);
    folders.add("free", temp, []);
    const watch = new RepositoryWatch(folders as never);
    try {
      await settled();
      fs.writeFileSync(join(temp, "snapshots", "a.json.age"), "");
      await folders.until(1);
      assert.deepEqual(folders.refreshed, ["free"]);
    } finally {
      watch.dispose();
    }
  }));
