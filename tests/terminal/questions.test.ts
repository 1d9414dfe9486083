import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { before, describe, test } from "node:test";
import { makeBinary } from "../support/binary.ts";
import { needs } from "../support/peer.ts";
import { lastingTemp } from "../support/temp.ts";
import { Pty } from "./pty.ts";
import { type Shell, withShell } from "./shell.ts";

/** The key that ends the input. */
const END = "\x04";
/** The key that interrupts. */
const INTERRUPT = "\x03";

/** The output and the exit code of a command that asks a question. */
interface Answered {
  shown: string;
  code: number;
}

/** Types a line at a terminal, and then keys when a question is shown. */
async function answer(
  shell: Shell,
  line: string,
  question: RegExp,
  keys: string,
): Promise<Answered> {
  const pty = new Pty(shell, "sh");
  try {
    pty.type(`${line}; echo "code=$?"\r`);
    await pty.see(question);
    const from = pty.shown.length;
    pty.type(keys);
    const [, code] = await pty.see(/code=(\d+)/, from);
    const shown = pty.shown.slice(from);
    assert.doesNotMatch(shown, /\n {4}at /, "a stack trace");
    return { shown, code: Number(code) };
  } finally {
    await pty.close();
  }
}

function empty(shell: Shell): void {
  for (const name of fs.readdirSync(shell.project)) {
    fs.rmSync(join(shell.project, name), { recursive: true });
  }
}

function countOf(shell: Shell): number {
  return JSON.parse(shell.type("deltar list --json")).snapshots.length;
}

let binary = "";

/**
 * Matches the answers that the binary receives in another way than as a line of
 * text.
 */
const FEW = /^(?:y|the end of the input|Ctrl\+C)$/;

for (const what of ["the source", "the single binary"]) {
  /** Runs work with a shell whose `deltar` is the program to test. */
  const withDeltar = (work: (shell: Shell) => Promise<void>) =>
    withShell(async (shell) => {
      if (what === "the single binary") {
        const deltar = join(shell.home, "bin/deltar");
        fs.rmSync(deltar);
        fs.symlinkSync(binary, deltar);
      }
      await work(shell);
    });

  describe(what, needs("script"), () => {
    if (what === "the single binary") {
      before(() => {
        const { folder, remove } = lastingTemp();
        binary = makeBinary(folder);
        process.once("exit", remove);
      });
    }

    for (
      const [name, keys, wanted, count] of [
        ["y", "y\r", 0, 3],
        ["Yes", " Yes \r", 0, 3],
        ["n", "n\r", 1, 2],
        ["Enter", "\r", 1, 2],
        ["another word", "yesterday\r", 1, 2],
        ["the end of the input", END, 1, 2],
        ["Ctrl+C", INTERRUPT, 130, 2],
      ] as const
    ) {
      if (what !== "the source" && !FEW.test(name)) continue;
      test(`snapshot of an emptied directory asks, and handles the answer ${name} [S4]`, async () => {
        await withDeltar(async (shell) => {
          empty(shell);
          const question = /every file .* is gone.* anyway\? \[y\/N\] /;
          const { shown, code } = await answer(
            shell,
            "deltar snapshot",
            question,
            keys,
          );
          assert.equal(code, wanted, shown);
          assert.equal(countOf(shell), count);
          if (code === 1) assert.match(shown, /--allow-empty/);
          if (code === 130) assert.match(shown, /interrupted/);
        });
      });
    }

    for (
      const [name, keys, wanted, count] of [
        ["y", "y\r", 0, 1],
        ["Enter", "\r", 1, 4],
        ["Ctrl+C", INTERRUPT, 130, 4],
      ] as const
    ) {
      if (what !== "the source") continue;
      test(`prune after a directory was emptied asks, and handles the answer ${name} [S20]`, async () => {
        await withDeltar(async (shell) => {
          const many = Array.from({ length: 20 }, (_, at) => `many${at}`);
          for (const name of many) {
            fs.writeFileSync(join(shell.project, name), name);
          }
          shell.type("deltar snapshot");
          empty(shell);
          fs.writeFileSync(join(shell.project, "one"), "one");
          shell.type("deltar snapshot --allow-empty");
          const { shown, code } = await answer(
            shell,
            "deltar prune --keep-last 1",
            /by the rules anyway\? \[y\/N\] /,
            keys,
          );
          assert.equal(code, wanted, shown);
          assert.equal(countOf(shell), count);
          if (code === 1) assert.match(shown, /--accept-unusual/);
        });
      });
    }

    for (
      const [name, keys, wanted] of [
        ["y", "y\r", 0],
        ["Enter", "\r", 1],
        ["Ctrl+C", INTERRUPT, 130],
      ] as const
    ) {
      if (what !== "the source") continue;
      test(`key rekey asks, and handles the answer ${name}`, async () => {
        await withDeltar(async (shell) => {
          const repo = join(shell.home, "encrypted");
          const env = `DELTAR_REPOSITORY=${repo}; export DELTAR_REPOSITORY`;
          shell.type(`${env}; deltar init --encrypt; deltar key rotate`);
          const { shown, code } = await answer(
            shell,
            `${env}; deltar key rekey`,
            /again for the newest identity\? \[y\/N\] /,
            keys,
          );
          assert.equal(code, wanted, shown);
          const isDeclined = /nothing was changed, because the answer was no/;
          assert.equal(isDeclined.test(shown), wanted === 1, shown);
          const plan = `${env}; deltar key rekey --dry-run --json`;
          const { objects } = JSON.parse(shell.type(plan));
          assert.equal(objects === 0, wanted === 0);
        });
      });
    }

    for (
      const [name, keys, wanted, count] of [
        ["Enter", "\r", 0, 2],
        ["n", "n\r", 0, 1],
        ["the end of the input", END, 0, 1],
        ["Ctrl+C", INTERRUPT, 130, 0],
      ] as const
    ) {
      if (what !== "the source" && !FEW.test(name)) continue;
      test(`snapshot of a moved directory asks, and handles the answer ${name} [S6]`, async () => {
        await withDeltar(async (shell) => {
          const moved = join(shell.home, "moved");
          const repo = join(shell.home, "repository");
          const env = `DELTAR_REPOSITORY=${repo}; export DELTAR_REPOSITORY`;
          shell.type(`${env}; deltar snapshot`);
          fs.renameSync(shell.project, moved);
          fs.mkdirSync(shell.project);
          fs.appendFileSync(join(moved, "notes.txt"), "third\n");
          const { shown, code } = await answer(
            shell,
            `${env}; cd ../moved; deltar snapshot`,
            /which was moved\. Continue the snapshots of the old path\? \[Y\/n\] /,
            keys,
          );
          assert.equal(code, wanted, shown);
          const list = `${env}; deltar list --dir ../moved --json || true`;
          const { snapshots = [] } = JSON.parse(shell.type(list));
          const own = snapshots.filter(
            ({ directory }: { directory: string }) => directory === moved,
          );
          const taken = count === 0 ? 0 : 1;
          assert.equal(own.length, taken);
          if (taken > 0) assert.equal("parent" in own[0], count === 2, shown);
        });
      });
    }

    test("snapshot --dry-run of a moved directory asks nothing [S6]", async () => {
      await withDeltar(async (shell) => {
        const moved = join(shell.home, "moved");
        const env = `DELTAR_REPOSITORY=${join(shell.home, "repository")}`;
        shell.type(`${env} deltar snapshot`);
        fs.renameSync(shell.project, moved);
        fs.mkdirSync(shell.project);
        const line = `cd ../moved; ${env} deltar snapshot --dry-run`;
        const pty = new Pty(shell, "sh");
        try {
          pty.type(`${line}; echo "code=$?"\r`);
          const [, code] = await pty.see(/code=(\d+)|Continue the/);
          assert.equal(code, "0", pty.shown);
        } finally {
          await pty.close();
        }
      });
    });

    const isRoot = process.getuid?.() === 0;
    for (
      const [name, keys, wanted, bits] of [
        ["y", "y\r", 0, 0o4755],
        ["n", "n\r", 3, 0o755],
        ["the end of the input", END, 3, 0o755],
        ["Ctrl+C", INTERRUPT, 130, undefined],
      ] as const
    ) {
      if (what !== "the source" && !FEW.test(name)) continue;
      test(
        `restore from the repository of another user asks, and handles the answer ${name} [A11]`,
        {
          skip: isRoot ? false : "only root can give files away",
        },
        async () => {
          await withDeltar(async (shell) => {
            shell.write("tool", "#!/bin/sh\n");
            fs.chmodSync(join(shell.project, "tool"), 0o4755);
            const repo = join(shell.home, "repository");
            shell.type(`deltar snapshot --repo ${repo}`);
            shell.type(`chown -R 65534 ${repo}`);
            const { shown, code } = await answer(
              shell,
              `deltar restore latest --repo ${repo} --to ../restored`,
              /belongs to another user\. .*\? \[y\/N\] /,
              keys,
            );
            assert.equal(code, wanted, shown);
            const tool = join(shell.home, "restored/tool");
            const stat = fs.statSync(tool, { throwIfNoEntry: false });
            assert.equal(stat && stat.mode & 0o7777, bits);
          });
        },
      );
    }
  });
}
