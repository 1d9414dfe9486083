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
  "systemd takes the timer and the service",
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
      // What it starts is the backup, whatever the current directory is.
      const service = units.find((name) => name.endsWith(".service"))!;
      const [, line] = /^ExecStart=(.*)$/m.exec(
        fs.readFileSync(service, "utf8"),
      )!;
      shell.type(`cd / && ${line}`);
      assert.ok(fs.existsSync(join(shell.home, "backups/deltar.json")));
    });
  },
);

test("words for systemd keep what they are", () => {
  const { files } = SYSTEMS.linux(schedule);
  const service = Object.values(files)[0];
  assert.ok(
    service.includes(
      'ExecStart="/opt/del tar" "a\\"b\\\\" "100%%" "$$HOME" "<&>"',
    ),
    service,
  );
  assert.ok(Object.values(files)[1].includes("OnCalendar=*-*-* 02:05\n"));
});

for (const system of ["darwin", "win32"]) {
  test(
    `what is written for ${system} is good XML`,
    needs("xmllint"),
    async () => {
      await withTemp((folder) => {
        for (const every of ["hour", "day"] as const) {
          const { files } = SYSTEMS[system]({ ...schedule, every });
          const [text] = Object.values(files);
          const file = join(folder, "file.xml");
          fs.writeFileSync(file, text);
          run("xmllint", ["--nonet", "--noout", file]);
          assert.ok(text.includes("&lt;&amp;&gt;"));
        }
      });
    },
  );
}
