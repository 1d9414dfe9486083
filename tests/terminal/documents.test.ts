import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Context } from "../../cli/context.ts";
import { createProgram } from "../../cli/program.ts";
import { cephBucket, NEEDS_CEPH } from "../support/ceph.ts";
import { needs } from "../support/peer.ts";
import { withShell } from "./shell.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The pages whose shell blocks are one session, from the top to the bottom. */
const PAGES = [
  "docs/TUTORIAL.md",
  ...readdirSync(join(ROOT, "docs/how-to")).map((name) =>
    `docs/how-to/${name}`
  ),
];

/** Returns the blocks of a page in a language. */
function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  const blocks = text.matchAll(
    new RegExp(`^\`\`\`(\\w+)\\n(.*?)^\`\`\`$`, "gms"),
  );
  return [...blocks].filter(([, name]) => name === language)
    .map(([, , code]) => code);
}

/** The page with loops that import the snapshots of other programs. */
const MOVING = "docs/how-to/moving.md";

/** The bucket in the pages about S3. */
const BUCKET = "s3://my-backups";

for (const page of PAGES) {
  const typed = `set -e\n${blocksOf(page, "sh").join("\n")}`;
  // The page about other programs has its own test.
  if (typed === "set -e\n" || page === MOVING) continue;
  const onS3 = typed.includes(BUCKET);
  const age = typed.includes("age-keygen") ? ["age", "age-keygen"] : [];
  const need = onS3 ? NEEDS_CEPH : needs("zstd", "tar", ...age);
  test(`the commands in ${page} work`, need, async () => {
    const service = onS3 ? await cephBucket() : undefined;
    await withShell((shell) => {
      if (service !== undefined) {
        shell.env.AWS_ACCESS_KEY_ID = service.accessKeyId;
        shell.env.AWS_SECRET_ACCESS_KEY = service.secretAccessKey;
        shell.env.AWS_ENDPOINT_URL = service.endpoint;
      }
      shell.type(typed.replaceAll(BUCKET, `s3://${service?.bucket}`));
    });
  });
}

test("the lines of the README have the described effects", async () => {
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  const lines = [...text.matchAll(/^ {4}(deltar .*?)(?: {2,}.*)?$/gm)]
    .map(([, line]) => line).filter((line) => !line.includes("s3://"));
  assert.ok(lines.length > 5);
  await withShell((shell) => {
    shell.addNpm();
    for (const line of lines) shell.type(line);
  });
});

test("the page of the command has all commands and only their options", async () => {
  const text = readFileSync(join(ROOT, "docs/COMMAND.md"), "utf8");
  const program = await createProgram(
    new Context(() => new AbortController().signal),
  );
  const [, synopsis] = /^# The command\n\n(.*?)\n\n\S/ms.exec(text)!;
  for (const command of program.commands) {
    if (/^(?:help|complete)$/.test(command.name())) continue;
    const part = new RegExp(
      `^ {4}deltar \\S*\\b${command.name()}\\b.*(?:\\n {5,}.*)*`,
      "m",
    ).exec(synopsis);
    assert.ok(part, command.name());
    for (const [option] of part[0].matchAll(/--[a-z][a-z-]*/g)) {
      const all = command.options.map(({ long }) => long);
      assert.ok(all.includes(option), `${command.name()} ${option}`);
    }
  }
});

test("the settings for agents take snapshots at their events", async () => {
  // The other blocks are settings for the MCP server.
  const settings = blocksOf("docs/how-to/agents.md", "json")
    .map((text) => JSON.parse(text).hooks)
    .filter((hooks) => hooks !== undefined);
  assert.equal(settings.length, 2);
  await withShell((shell) => {
    for (const [at, hooks] of settings.entries()) {
      for (const [event, entries] of Object.entries(hooks)) {
        for (const line of commandsOf(entries)) {
          shell.write("notes.txt", `before ${event} of ${at}`);
          const input = `{"hook_event_name":"${event}","cwd":"$PWD"}`;
          shell.type(
            `echo '${input.replace("$PWD", shell.project)}' | (${line})`,
          );
          const { snapshots } = JSON.parse(shell.type("deltar list --json"));
          assert.equal(snapshots.at(-1).label, `agent: ${event}`);
        }
      }
    }
  });
});

/**
 * Returns the command lines of an event's entries for POSIX shells, at any
 * depth.
 */
function commandsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    /^(?:command|bash|powershell)$/.test(name) ? [inner] : commandsOf(inner)
  ).slice(0, 1);
}

test("the tutorial restores lost files, and undoes the restore", async () => {
  const text = readFileSync(join(ROOT, PAGES[0]), "utf8");
  const [, upToRestore] = /^(.*?)^`--dry-run` shows/ms.exec(text)!;
  const typed = [...upToRestore.matchAll(/^```sh\n(.*?)^```$/gms)]
    .map(([, code]) => code).join("\n");
  await withShell((shell) => {
    const last = shell.type(`set -e\n${typed}`).split("\n").slice(-4, -1);
    assert.deepEqual(last, ["buy milk", "buy bread", 'console.log("hello");']);
    const undone = shell.type(
      "cd ~/tutorial && deltar undo -q && cat notes.txt",
    );
    assert.equal(undone, "oh no\n");
  });
});

/** Creates the repositories, archives and directories that the page names. */
const OTHERS = [
  "mkdir -p ~/rsnapshot/daily.0 ~/rsnapshot/daily.1 ~/rsnapshot/weekly.0",
  "echo one > ~/rsnapshot/daily.1/a; ln ~/rsnapshot/daily.1/a ~/rsnapshot/daily.0/a",
  "touch -d 2024-01-03T00:00:00 ~/rsnapshot/daily.0",
  "touch -d 2024-01-02T00:00:00 ~/rsnapshot/daily.1",
  "touch -d 2024-01-01T00:00:00 ~/rsnapshot/weekly.0",
  "mkdir ~/archives",
  "tar -czf ~/archives/backup-2024-01-01.tar.gz -C ~/project .",
  "tar -czf ~/archives/backup-2024-01-02.tar.gz -C ~/project notes.txt",
  "echo secret > ~/restic-password",
  "export RESTIC_REPOSITORY=~/restic RESTIC_PASSWORD_FILE=~/restic-password",
  "restic init -q",
  "restic backup -q --time '2024-01-02 10:00:00' ~/project",
  "restic backup -q --time '2024-01-01 10:00:00' ~/project",
  "export BORG_REPO=~/borg",
  "borg init -e none",
  "borg create --timestamp 2024-01-01T10:00:00 ::one ~/project",
  "borg create --timestamp 2024-01-02T10:00:00 ::two ~/project",
];

test(
  "the loops for other programs make one snapshot of each of their snapshots",
  needs("restic", "borg", "jq", "tar"),
  async () => {
    const blocks = blocksOf(MOVING, "sh");
    // An interrupted loop can run again.
    const again = blocks.filter((block) => block.includes("restic dump"));
    assert.equal(again.length, 1);
    await withShell((shell) => {
      shell.type(["set -e", ...OTHERS, ...blocks, ...again].join("\n"));
      const project = shell.project;
      const home = shell.home;
      const expected: [string, string, string[]][] = [
        ["--repo ~/from-restic", project, [
          "2024-01-01T10:00:00.000Z",
          "2024-01-02T10:00:00.000Z",
        ]],
        ["--repo ~/from-borg-archives", `${home}/from-borg`, [
          "2024-01-01T10:00:00.000Z",
          "2024-01-02T10:00:00.000Z",
        ]],
        ["--repo ~/from-archives", `${home}/from-tar`, [
          "2024-01-01T00:00:00.000Z",
          "2024-01-02T00:00:00.000Z",
        ]],
        ["--dir ~/from-rsnapshot", `${home}/from-rsnapshot`, [
          "2024-01-01T00:00:00.000Z",
          "2024-01-02T00:00:00.000Z",
          "2024-01-03T00:00:00.000Z",
        ]],
      ];
      for (const [where, directory, times] of expected) {
        const { snapshots } = JSON.parse(
          shell.type(`deltar list --json ${where}`),
        );
        assert.deepEqual(
          snapshots.map((one: Record<string, string>) => one.time),
          times,
          where,
        );
        for (const one of snapshots) assert.equal(one.directory, directory);
      }
      shell.type(
        "deltar restore latest --repo ~/from-restic --to ~/restored && " +
          "diff -r ~/project ~/restored",
      );
    });
  },
);
