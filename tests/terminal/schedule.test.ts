import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SYSTEMS } from "../../cli/schedule_files.ts";
import { needs, run, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { withShell } from "./shell.ts";

const schedule = {
  name: "project",
  command: ["/opt/del tar", 'a"b\\', "100%", "$HOME", "<&>"],
  every: "day",
  hour: 2,
  minute: 5,
  home: "/home/me",
} as const;

test(
  "systemd accepts the timer and the service",
  needs("systemd-analyze"),
  async () => {
    await withShell((shell) => {
      shell.type("deltar schedule project --every hour --at 00:20");
      const folder = join(shell.home, ".config/systemd/user");
      const units = fs.readdirSync(folder).map((name) => join(folder, name));
      assert.equal(units.length, 2);
      run("systemd-analyze", ["verify", "--man=no", ...units]);
      const timer = fs.readFileSync(
        join(folder, "deltar-project.timer"),
        "utf8",
      );
      const [, when] = /^OnCalendar=(.*)$/m.exec(timer)!;
      const text = runText("systemd-analyze", ["calendar", when]);
      assert.match(text, /Normalized form: \*-\*-\* \*:20:00/);
      // The service runs the backup, regardless of the current directory.
      const service = units.find((name) => name.endsWith(".service"))!;
      const [, line] = /^ExecStart=(.*)$/m.exec(
        fs.readFileSync(service, "utf8"),
      )!;
      shell.type(`cd / && ${line}`);
      assert.ok(fs.existsSync(join(shell.home, "backups/deltar.json")));
    });
  },
);

test("words in systemd units keep their values", () => {
  const { files } = SYSTEMS.linux.write(schedule);
  const service = Object.values(files)[0];
  assert.ok(
    service.includes(
      'ExecStart="/opt/del tar" "a\\"b\\\\" "100%%" "$$HOME" "<&>"',
    ),
    service,
  );
  assert.ok(Object.values(files)[1].includes("OnCalendar=*-*-* 02:05\n"));
});

/**
 * Returns the name and the text of the file that schedules a backup on a
 * system.
 */
function written(system: string, every: "hour" | "day", folder: string) {
  const { files } = SYSTEMS[system].write({ ...schedule, every });
  const [text] = Object.values(files);
  const file = join(folder, `${system}-${every}`);
  fs.writeFileSync(file, text);
  return { file, text };
}

test(
  "the Windows task is valid in the schema of the Task Scheduler",
  needs("xmllint"),
  async () => {
    await withTemp((folder) => {
      const schema = join(import.meta.dirname!, "task.xsd");
      for (const every of ["hour", "day"] as const) {
        const { file, text } = written("win32", every, folder);
        run("xmllint", ["--nonet", "--noout", "--schema", schema, file]);
        assert.ok(text.includes("&lt;&amp;&gt;"));
        assert.equal(text.includes("<Interval>PT1H</"), every === "hour");
      }
    });
  },
);

test(
  "the launchd agent has the command and the time",
  needs("python3"),
  async () => {
    await withTemp((folder) => {
      const toJson = "import json, plistlib, sys; " +
        "print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
      for (const every of ["hour", "day"] as const) {
        const { file } = written("darwin", every, folder);
        const agent = JSON.parse(runText("python3", ["-c", toJson, file]));
        assert.deepEqual(agent, {
          Label: "deltar.backup.project",
          ProgramArguments: schedule.command,
          StartCalendarInterval: every === "day"
            ? { Hour: 2, Minute: 5 }
            : { Minute: 5 },
          StandardOutPath: "/home/me/Library/Logs/deltar-project.log",
          StandardErrorPath: "/home/me/Library/Logs/deltar-project.log",
          LowPriorityIO: true,
          Nice: 10,
        });
      }
    });
  },
);

test("schedule lists, runs and removes schedules", async () => {
  await withShell((shell) => {
    assert.match(shell.type("deltar schedule list"), /^No schedules\. /);
    for (
      const [system, enabled] of [
        ["linux", "not enabled  "],
        ["darwin", ""],
        ["win32", ""],
      ]
    ) {
      const words = `--system ${system}`;
      for (
        const [time, when] of [
          ["--every hour --at 00:20", "every hour at :20"],
          ["--at 02:05", "every day at 02:05"],
        ]
      ) {
        shell.type(`deltar schedule project ${time} ${words}`);
        const shown = shell.type(`deltar schedule list ${words}`);
        assert.ok(
          shown.startsWith(`project  ${when}  ${enabled}${shell.home}/`),
          shown,
        );
      }
    }
    const units = join(shell.home, ".config/systemd/user");
    fs.mkdirSync(join(units, "timers.target.wants"));
    const link = join(units, "timers.target.wants/deltar-project.timer");
    fs.symlinkSync("../deltar-project.timer", link);
    const json = JSON.parse(
      shell.type("deltar schedule list --json --system linux"),
    );
    assert.equal(json.type, "schedules");
    assert.deepEqual(
      json.schedules.map((one: { isEnabled: boolean }) => one.isEnabled),
      [true],
    );
    shell.type("deltar schedule run project");
    assert.ok(fs.existsSync(join(shell.home, "backups/deltar.json")));
    for (const system of ["linux", "darwin", "win32"]) {
      const words = `--system ${system}`;
      const removed = shell.type(`deltar schedule remove project ${words}`);
      assert.match(removed, /Stop the schedule with:\n {2}\w+/);
      assert.match(shell.type(`deltar schedule list ${words}`), /^No sch/);
      assert.throws(
        () => shell.type(`deltar schedule remove project ${words}`),
        /the schedules are: none/,
      );
    }
    assert.deepEqual(fs.readdirSync(units), ["timers.target.wants"]);
    assert.deepEqual(fs.readdirSync(join(units, "timers.target.wants")), []);
  });
});
