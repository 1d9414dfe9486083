import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { COMMANDS } from "../../cli/commands.ts";
import { lstat } from "../../lib/tree/stat.ts";
import { LocalStorage, Repository } from "../../mod.ts";
import { runText } from "../support/peer.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Characters that a terminal interprets, hides or moves. */
const UNSHOWN =
  /[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?!\n)\p{Cc}/u;

const unix = process.platform === "win32" ? { skip: "needs such names" } : {};

/**
 * Asserts that the output of a command has no character that a terminal
 * interprets or hides.
 */
function assertShown(place: Place, words: string[], code = 0): string {
  const ran = place.run(words);
  assert.equal(ran.code, code, `${words}: ${ran.out}${ran.err}`);
  assert.doesNotMatch(ran.out + ran.err, UNSHOWN, words.join(" "));
  return ran.out + ran.err;
}

test(
  "commands escape names that a terminal would interpret or hide [T8]",
  unix,
  async () => {
    await withPlace((place) => {
      const names = ["a\x1b[2J", "\u202egpj.exe", "z\u200bw", "c\x9b1m"];
      place.write(Object.fromEntries(names.map((name) => [name, name])));
      const label = "l\u202ebel";
      assertShown(place, ["snapshot", "--label", label]);
      place.write({ [names[0]]: "again", [names[1]]: "again" });
      assertShown(place, ["snapshot", "-v"]);
      const files = assertShown(place, ["files", "latest"]);
      assert.match(files, / "\\u202egpj\.exe"\n/);
      for (
        const words of [
          ["list"],
          ["diff", "latest~1", "latest"],
          ["diff", "latest~1", "latest", "--stat"],
          ["show"],
          ["show", "--json"],
          ["stats"],
          ["files", "latest", "--json"],
          ["list", "--json"],
          ["restore", "latest~1", "--in-place", "--dry-run"],
          ["label", "latest", "x\u200by"],
          ["verify"],
          ["log", names[0]],
          ["log", names[0], "--json"],
          ["find", "*"],
          ["find", "*", "--json"],
        ]
      ) assertShown(place, words);
      const purge = ["purge", names[1], names[2], "--dry-run"];
      // The content of one of these files stays, because another path has it.
      assertShown(place, purge, 3);
      assertShown(place, ["log", `${names[2]}x`], 1);
      const { entries } = place.json(["files", "latest"]);
      assert.deepEqual(
        // deno-lint-ignore no-explicit-any
        entries.map(({ path }: any) => path).sort(),
        names.sort(),
      );
    });
  },
);

test("messages escape the typed arguments [T8]", async () => {
  await withPlace((place) => {
    assertShown(place, ["snapsh\x1b[31mot\u202e"], 2);
    assertShown(place, ["list", "--re\x1b]0;x\x07po"], 2);
    assertShown(place, ["list", "--repo", "no\u202ewhere\x9b"], 1);
    assertShown(place, ["list", "--json", "--repo", "no\u202ewhere\x9b"], 1);
    assertShown(place, ["backup", "x\u200by"], 1);
    assertShown(place, ["prune", "--keep-last", "\x1b[31m"], 2);
  });
});

test("undelete escapes the reason of a removed record [A11]", async () => {
  await withPlace(async (place) => {
    place.write({ a: "1" });
    assertShown(place, ["snapshot", "--repo", "../repo"]);
    const storage = new LocalStorage(join(place.folder, "repo"));
    const repository = await Repository.open(storage);
    const [{ id }] = await repository.snapshots();
    place.write({ a: "2" });
    assertShown(place, ["snapshot", "--repo", "../repo"]);
    assertShown(place, ["forget", id, "--repo", "../repo"]);
    const name = `removed/${id}.json`;
    const text = new TextDecoder().decode(
      (await Array.fromAsync(storage.get(name)))[0],
    );
    const [header] = text.split("\n");
    const line = JSON.stringify({
      ...JSON.parse(header),
      reason: "\x1b[2Jgone\x7f\x9b\u202e",
    }) + "\n";
    const sum = await crypto.subtle.digest(
      "SHA-256",
      new TextEncoder().encode(line),
    );
    const hex = Array.from(
      new Uint8Array(sum),
      (byte) => byte.toString(16).padStart(2, "0"),
    ).join("");
    await storage.put(
      name,
      new TextEncoder().encode(`${line}{"sha256":"${hex}"}\n`),
    );
    const shown = assertShown(place, ["undelete", "--repo", "../repo"]);
    assert.match(shown, /\\u001b\[2Jgone\\u007f\\u009b\\u202e/);
    assertShown(place, ["undelete", "--repo", "../repo", "--json"]);
  });
});

test("no command prints the password of an address [A11]", async () => {
  await withPlace((place) => {
    place.write({ a: "1" });
    const repo = "http://me:secret@127.0.0.1:9/there";
    const config = join(place.folder, "config.json");
    const backup = { directory: place.root, repo };
    writeFileSync(config, JSON.stringify({ backups: { b: backup } }));
    const wrong = join(place.folder, "wrong.json");
    writeFileSync(
      wrong,
      JSON.stringify({
        backups: { b: { ...backup, snapshot: { label: { at: repo } } } },
      }),
    );
    for (
      const words of [
        ["backup", "--config", config, "--dry-run"],
        ["backup", "--config", config],
        ["backup", "--config", wrong],
        ["snapshot", "--repo", repo],
        ["list", "--repo", repo, "--json"],
        ["list", "--repo", "http://me:se/secret@host:x/"],
        ["doctor", "--repo", repo],
        ["copy", "--repo", repo, "--to", repo],
        ["list", repo],
      ]
    ) {
      const { out, err } = place.run(words);
      assert.doesNotMatch(out + err, /secret/, words.join(" "));
    }
    mkdirSync(place.data, { recursive: true });
    const event = JSON.stringify({ hook_event_name: "x", cwd: place.root });
    const { err } = place.run(["hook", "--repo", repo], { input: event });
    assert.doesNotMatch(err, /secret/);
    const log = join(place.data, "hook.log");
    assert.doesNotMatch(readFileSync(log, "utf8"), /secret/);
  });
});

test(
  "files prints every time, as JSON with nine decimals [T9]",
  unix,
  async () => {
    await withPlace((place) => {
      place.write({ early: "", late: "", whole: "" });
      const touch = (name: string, time: string) =>
        runText("touch", ["-d", `@${time}`, join(place.root, name)]);
      touch("early", "-1.5");
      touch("whole", "1700000000");
      touch("late", "4000000000.5");
      place.run(["snapshot"]);
      const { entries } = place.json(["files", "latest"]);
      assert.deepEqual(
        // deno-lint-ignore no-explicit-any
        entries.map(({ path, mtime }: any) => [path, mtime]),
        [
          ["early", "-1.500000000"],
          ["late", "4000000000.500000000"],
          ["whole", "1700000000.000000000"],
        ],
      );
      for (const { path, btime } of entries) {
        const created = lstat(join(place.root, path)).btime;
        if (created === undefined) assert.equal(btime, undefined);
        else assert.match(btime, /^\d+\.\d{9}$/);
      }
      const { out } = place.run(["files", "latest"], { env: { TZ: "UTC" } });
      assert.match(out, /1969-12-31 23:59:58 early\n/);
    });
  },
);

test("help shows defaults in the form in which they are typed [T9]", async () => {
  await withPlace((place) => {
    for (const name of Object.keys(COMMANDS)) {
      const { out } = place.run(["help", name]);
      assert.doesNotMatch(out, /default: (?:\{|\[|""|false)/, name);
    }
    const { out } = place.run(["help", "schedule"]);
    assert.match(out, /\(default:\s+12:30\)/);
  });
});

test("label and snapshot refuse a blank label and one that no reader accepts [T5]", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    assert.equal(place.run(["snapshot"]).code, 0);
    for (const text of [" ", "\t\n", "x".repeat(70_000)]) {
      for (
        const words of [["label", "latest", text], [
          "snapshot",
          "--label",
          text,
        ]]
      ) {
        const { code, err } = place.run(words);
        assert.equal(code, 2, words[0]);
        assert.match(err, /The label is blank|at most 1000/);
      }
    }
    const { snapshots } = place.json(["list"]);
    assert.equal(snapshots.length, 1);
    assert.equal(snapshots[0].label, undefined);
  });
});
