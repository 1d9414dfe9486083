/** The names of users and groups: looked up, and found on another system. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { nameByCall, numberByCall } from "../../lib/tree/owner_calls.ts";
import {
  isOwnerName,
  MAX_OWNERS,
  numbersHere,
  type OwnerKind,
  OwnerTally,
  SystemOwners,
} from "../../lib/tree/owner_names.ts";
import { hasSystemCalls } from "../../lib/tree/folder_by_calls.ts";
import { needs, runText } from "../support/peer.ts";

const linux = process.platform === "linux"
  ? needs("getent")
  : { skip: "needs getent" };

/** Returns the users or groups that `getent` lists, by name and number. */
function listed(kind: OwnerKind): [name: string, id: number][] {
  const database = kind === "users" ? "passwd" : "group";
  return runText("getent", [database]).trim().split("\n").map((line) => {
    const [name, , id] = line.split(":");
    return [name, Number(id)];
  });
}

/** Returns a system with the given users, which are also its groups. */
function systemOf(ids: Record<string, number>): SystemOwners {
  const system = new SystemOwners();
  const names = new Map<number, string>();
  for (const [name, id] of Object.entries(ids)) {
    if (!names.has(id)) names.set(id, name);
  }
  system.numberOf = (_, name) => ids[name];
  system.nameOf = (_, id) => names.get(id);
  return system;
}

test(
  "SystemOwners returns the users and groups that getent lists",
  linux,
  () => {
    const system = new SystemOwners();
    for (const kind of ["users", "groups"] as const) {
      const all = listed(kind);
      assert.ok(all.length > 5);
      for (const [name, id] of all) {
        assert.equal(system.numberOf(kind, name), id, name);
        const first = all.find(([, other]) => other === id)![0];
        assert.equal(system.nameOf(kind, id), first);
      }
      assert.equal(system.nameOf(kind, 4_000_000_001), undefined);
      assert.equal(system.numberOf(kind, "no such name"), undefined);
    }
  },
);

test("the C library returns the same names", {
  ...(hasSystemCalls() ? linux : { skip: "this runtime has no calls" }),
}, () => {
  for (const kind of ["users", "groups"] as const) {
    for (const [name, id] of listed(kind)) {
      assert.equal(numberByCall(kind, name), id, name);
    }
    assert.equal(nameByCall(kind, 0), "root");
    assert.equal(nameByCall(kind, 4_000_000_001), undefined);
    assert.equal(nameByCall(kind, 2 ** 40), undefined);
    assert.equal(numberByCall(kind, "no such name"), undefined);
  }
});

test("numbersHere() returns the numbers that differ", () => {
  const system = systemOf({ root: 0, toor: 0, me: 1001, you: 1000 });
  const names = { 0: "toor", 7: "nobody here", 1000: "me", 1001: "me" };
  assert.deepEqual(
    [...numbersHere("users", names, system)],
    // `toor` has its own number here, and 1001 is `me` here, too.
    [[1000, 1001]],
  );
});

test("OwnerTally collects existing names, up to a limited number", () => {
  const ids: Record<string, number> = { root: 0, me: 1000 };
  for (let id = 2000; id < 2000 + 2 * MAX_OWNERS; id++) ids[`u${id}`] = id;
  const tally = new OwnerTally();
  const system = systemOf(ids);
  assert.equal(tally.names(system), undefined);
  for (const [uid, gid] of [[0, 1000], [0, 5], [1000, 1000]]) {
    tally.add({ uid, gid });
  }
  assert.deepEqual(tally.names(system), {
    users: { 0: "root", 1000: "me" },
    groups: { 1000: "me" },
  });
  for (const uid of Object.values(ids)) tally.add({ uid, gid: 0 });
  const { users } = tally.names(system)!;
  assert.equal(Object.keys(users).length, MAX_OWNERS);
});

test("isOwnerName() refuses invalid names", () => {
  for (const name of ["root", "_apt", "DOMAIN\\me", "m e", "ünïcode", "a$"]) {
    assert.equal(isOwnerName(name), true, name);
  }
  const bad = ["", "a:b", "a/b", "a\n", "a\0", "x".repeat(257), "\ud800", 5];
  for (const name of bad) assert.equal(isOwnerName(name), false, String(name));
});
