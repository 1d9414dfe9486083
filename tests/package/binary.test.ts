import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeBinary } from "../support/binary.ts";
import { noise } from "../support/noise.ts";
import { run } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("the hook of the single binary exits with 0 if the directory is deleted [S12]", async () => {
  await withTemp((folder) => {
    const binary = makeBinary(folder);
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const settings = fs.readFileSync(
      join(ROOT, "docs/how-to/agents.md"),
      "utf8",
    );
    const [, line] = /"command": "(cd .*?)"/.exec(settings)!;
    // The current directory, in which the agent was started, is deleted.
    const script = `rmdir "$PWD"; ${line.replace("deltar", '"$0"')}`;
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script, binary], {
      cwd: root,
      env: { HOME: folder, PATH: process.env.PATH },
      input: JSON.stringify({ hook_event_name: "Stop", cwd: root }),
      encoding: "utf8",
    });
    assert.deepEqual([status, stdout], [0, ""], stderr);
    assert.match(stderr, /^deltar: no snapshot was made: .*root/);
    const log = join(folder, ".local/share/deltar/hook.log");
    assert.match(fs.readFileSync(log, "utf8"), /agent: Stop in .*root/);
  });
});

test("the single binary has the same results as the source, including threads", async () => {
  await withTemp((folder) => {
    const binary = makeBinary(folder);
    const root = join(folder, "root");
    fs.mkdirSync(root);
    // The file is large enough for the thread that hashes.
    const large = noise(20_000_000);
    fs.writeFileSync(join(root, "large"), large);
    fs.writeFileSync(join(root, "small"), "small\n");
    // Files in the current directory must not be used as configuration.
    fs.writeFileSync(join(root, ".env"), "DELTAR_REPOSITORY=/nowhere\n");
    const env = { HOME: folder, PATH: "/nowhere" };
    const type = (...words: string[]) => {
      const done = spawnSync(binary, words, {
        cwd: root,
        env,
        encoding: "utf8",
      });
      assert.equal(done.status, 0, `${words}: ${done.stdout}${done.stderr}`);
      return done.stdout;
    };
    const source = (...words: string[]) =>
      run(process.execPath, [join(ROOT, "cli.ts"), ...words], { cwd: root });
    const { version } = JSON.parse(
      fs.readFileSync(join(ROOT, "deno.json"), "utf8"),
    );
    assert.equal(type("--version"), `${version}\n`);

    type("snapshot");
    large.fill(1, 9_000_000, 9_000_050);
    fs.writeFileSync(join(root, "large"), large);
    const second = JSON.parse(type("snapshot", "--json"));
    assert.equal(second.counts.updated, 1);
    assert.ok(second.counts.stored < 50_000, `${second.counts.stored} bytes`);
    type("verify", "--data");
    type("restore", "latest", "--to", join(folder, "restored"));
    assert.ok(fs.readFileSync(join(folder, "restored/large")).equals(large));

    type("rdiff", "signature", "large", join(folder, "ours.sig"));
    source("rdiff", "signature", "large", join(folder, "source.sig"));
    const [ours, theirs] = ["ours.sig", "source.sig"].map((name) =>
      fs.readFileSync(join(folder, name))
    );
    assert.ok(ours.equals(theirs));
  });
});
