import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needs, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The environment variables that the network needs on this machine. */
const NETWORK = Object.entries(process.env).filter(([name]) =>
  /cert|ssl|tls|proxy|npm_config_registry/i.test(name)
);

/**
 * Returns the lines of the README's first block, except those that test deltar.
 */
function firstSteps(): string[] {
  const text = fs.readFileSync(join(ROOT, "README.md"), "utf8");
  const [, block] = /^```sh\n(.*?)^```$/ms.exec(text)!;
  return block.trim().split("\n").filter((line) => !/ task test$/.test(line));
}

test(
  "the first steps of the README lead from a clone to a restored file",
  needs("git", "npx"),
  async () => {
    await withTemp((folder) => {
      const clone = join(folder, "clone");
      const files = runText("git", ["ls-files", "-z"], { cwd: ROOT })
        .split("\0").filter((name) => fs.existsSync(join(ROOT, name)));
      for (const name of files.filter((name) => name !== "")) {
        fs.mkdirSync(dirname(join(clone, name)), { recursive: true });
        fs.copyFileSync(join(ROOT, name), join(clone, name));
      }
      const home = join(folder, "home");
      const project = join(home, "some/project");
      fs.mkdirSync(project, { recursive: true });
      fs.writeFileSync(join(project, "notes.txt"), "to be had again\n");
      const nodes = dirname(process.execPath);
      const env = {
        ...Object.fromEntries(NETWORK),
        HOME: home,
        PATH: `${nodes}:/usr/local/bin:/usr/bin:/bin`,
      };
      const type = (line: string) => {
        const { status, stdout, stderr } = spawnSync("sh", ["-c", line], {
          cwd: clone,
          env,
          encoding: "utf8",
        });
        assert.equal(status, 0, `${line}\n${stdout}${stderr}`);
        return stdout;
      };
      const [snapshot, ...rest] = firstSteps();
      const said = type(snapshot);
      rest.forEach(type);
      // The printed line can be typed as it is.
      const restore = said.trim().split("\n").at(-1)!.trim();
      type(restore);
      const [, to] = / --to (\S+)$/.exec(restore)!;
      const restored = join(clone, to, "notes.txt");
      assert.equal(fs.readFileSync(restored, "utf8"), "to be had again\n");
    });
  },
);
