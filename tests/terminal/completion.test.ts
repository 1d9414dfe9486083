import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { placeSum } from "../../cli/location.ts";
import {
  LocalStorage,
  Repository,
  type Storage,
  withCache,
} from "../../mod.ts";
import { needs } from "../support/peer.ts";
import { Pty } from "./pty.ts";
import { type Shell, withShell } from "./shell.ts";

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";

/** Names of files that a shell would interpret differently. */
const NAMES = [
  "two words.txt",
  "$(touch X)",
  "`touch Y`",
  "> keep",
  "a:b:c",
  "it's",
  'qu"ote',
  "wei&rd;x",
  "(paren)",
  "~tilde",
  "back\\slash",
  "star*",
  "ünï",
  "eq=ual",
];

/** The commands that start each shell, and the lines that load the script. */
const STARTS: Record<string, [command: string, line: string]> = {
  bash: ["bash --norc --noprofile -i", ". <(deltar completion bash)"],
  zsh: [
    "zsh -f -i",
    "autoload -U compinit; compinit -u -D; source <(deltar completion zsh)",
  ],
  fish: ["fish -N -i", "deltar completion fish | source"],
};

const ID = /\d{8}T\d{6}Z-[0-9a-f]{6}/;

/** Creates the snapshots and files that lines are completed from. */
function fill(shell: Shell): void {
  for (const name of [...NAMES, "odd\nname"]) shell.write(name, name);
  shell.type("mkdir 'a dir' plain; echo kept > keep");
  shell.type("deltar snapshot --label 'my label'");
}

/** Returns all files below the home folder, with their contents. */
function disk(shell: Shell): Map<string, string> {
  const paths = readdirSync(shell.home, { recursive: true, encoding: "utf8" });
  return new Map(
    paths.filter((path) => !/node-cache|_history|\.zcompdump|fish/.test(path))
      .map((path) => {
        try {
          return [path, readFileSync(join(shell.home, path), "latin1")];
        } catch {
          return [path, ""];
        }
      }),
  );
}

/** Types lines with Tabs, and returns the words of each completed line. */
async function completed(
  shell: Shell,
  which: string,
  lines: readonly string[],
  before = "",
): Promise<string[][]> {
  const [command, script] = STARTS[which];
  const pty = new Pty(shell, command);
  try {
    pty.type(`${before}${script}; printf 'READY%s' 1\n`);
    await pty.see(/READY1/);
    const found: string[][] = [];
    for (const line of lines) {
      const from = pty.shown.length;
      // The key moves to the beginning of the line, so that printf prints its
      // words.
      pty.type(`${line} END\x01printf '<%s>' \n`);
      const [words] = await pty.see(/<deltar>(?:<[^]*?>)*?<END>/, from);
      found.push(words.slice(1, -1).split("><").slice(0, -1));
    }
    return found;
  } finally {
    await pty.close();
  }
}

/** Returns the beginning of a name, as it is typed. */
function typed(name: string): string {
  const start = name.slice(0, 2);
  return start.replaceAll(/[^\wü]/g, "\\$&");
}

for (const which of Object.keys(STARTS)) {
  test(
    `${which} completes everything that a line can contain [T2]`,
    needs(which, "script"),
    async () => {
      await withShell(async (shell) => {
        fill(shell);
        const id = ID.exec(shell.type("deltar list --long"))![0];
        const lines: [line: string, ...words: string[]][] = [
          ["deltar sna\t", "snapshot"],
          ["deltar snapshot --excl\t-v\t", "snapshot", "--exclude-vcs"],
          ["deltar cat lat\t", "cat", "latest"],
          [`deltar cat ${id.slice(0, -1)}\t`, "cat", id],
          ["deltar files my\t", "files", "my label"],
          ["deltar files latest:sr\t", "files", "latest:src/"],
          ["deltar cat latest sr\tma\t", "cat", "latest", "src/main.ts"],
          ["deltar log src/ma\tlat\t", "log", "src/main.ts", "latest"],
          ["deltar find ke\t--ki\tsy\t", "find", "keep", "--kind", "symlink"],
          [
            "deltar restore latest --to pl\t",
            "restore",
            "latest",
            "--to",
            "plain",
          ],
          [
            "deltar restore latest --to=pl\t",
            "restore",
            "latest",
            "--to=plain",
          ],
          ["deltar snapshot a\t", "snapshot", "a dir"],
          ["deltar list --repo pl\t", "list", "--repo", "plain"],
          ["deltar schedule pro\t", "schedule", "project"],
          ["deltar schedule rem\tpro\t", "schedule", "remove", "project"],
          [
            "deltar schedule project --every h\t",
            "schedule",
            "project",
            "--every",
            "hour",
          ],
          [
            "deltar schedule project --every=h\t",
            "schedule",
            "project",
            "--every=hour",
          ],
          [
            "deltar prune --keep-label my\t",
            "prune",
            "--keep-label",
            "my label",
          ],
          ["deltar help sch\t", "help", "schedule"],
          ["deltar rdiff sig\t", "rdiff", "signature"],
          ["deltar completion ba\t", "completion", "bash"],
        ];
        const found = await completed(
          shell,
          which,
          lines.map(([line]) => line),
        );
        assert.deepEqual(
          found.map((words) =>
            words.map((word) => word.replace(/(?<=plain|a dir)\/$/, ""))
          ),
          lines.map(([, ...words]) => ["deltar", ...words]),
        );
      });
    },
  );

  test(
    `${which} runs no part of the line that it completes [T1]`,
    needs(which, "script"),
    async () => {
      await withShell(async (shell) => {
        fill(shell);
        const before = disk(shell);
        const [command, script] = STARTS[which];
        const pty = new Pty(shell, command);
        try {
          pty.type(`${script}; printf 'READY%s' 1\n`);
          await pty.see(/READY1/);
          for (
            const line of [
              "deltar cat latest notes.txt > keep\t",
              "deltar cat latest notes.txt > keep \t",
              'deltar list --repo "$(touch X)" --js\t',
              "deltar list --repo `touch X` --js\t",
              "deltar cat latest $(touch X) \t",
              "deltar cat latest; touch X; deltar \t",
              "deltar cat latest a | tee keep \t",
              "deltar cat latest '$(touch X)\t",
            ]
          ) pty.type(`${line}\x15`);
          const from = pty.shown.length;
          pty.type("printf 'DONE%s' 1\n");
          await pty.see(/DONE1/, from);
        } finally {
          await pty.close();
        }
        assert.deepEqual(disk(shell), before);
      });
    },
  );
}

for (const which of ["bash", "zsh"]) {
  test(
    `${which} quotes completed names [T1]`,
    needs(which, "script"),
    async () => {
      await withShell(async (shell) => {
        fill(shell);
        const found = await completed(
          shell,
          which,
          NAMES.map((name) => `deltar cat latest ${typed(name)}\t`),
        );
        assert.deepEqual(found.map((words) => words.at(-1)), NAMES);
        const quoted = await completed(shell, which, [
          'deltar cat latest "two\t',
          "deltar cat latest 'two\t",
        ]);
        assert.deepEqual(quoted.map((words) => words.at(-1)), [
          NAMES[0],
          NAMES[0],
        ]);
        assert.deepEqual(
          readdirSync(shell.project).filter((name) => /^[XY]$/.test(name)),
          [],
        );
      });
    },
  );
}

const withPackage = existsSync(BASH_COMPLETION) || process.env.CI
  ? needs("bash", "script")
  : { skip: "needs bash-completion" };

test(
  "bash completes with its package bash-completion, too [T2]",
  withPackage,
  async () => {
    await withShell(async (shell) => {
      fill(shell);
      const found = await completed(
        shell,
        "bash",
        ["deltar cat latest a:\t", "deltar restore latest --to=pl\t"],
        `. ${BASH_COMPLETION}; `,
      );
      assert.deepEqual(found.map((words) => words.at(-1)), [
        "a:b:c",
        "--to=plain/",
      ]);
    });
  },
);

test(
  "fish shows descriptions of words, and names unchanged",
  needs("fish"),
  async () => {
    await withShell((shell) => {
      fill(shell);
      const out = shell.type(
        "deltar completion fish | source; complete -C 'deltar snap'; " +
          "complete -C 'deltar snapshot --exclude-v'; " +
          "complete -C 'deltar cat latest tw'; complete -C 'deltar cat latest \\$'",
        "fish",
      );
      assert.match(
        out,
        /^snapshot\t.*\n--exclude-vcs\t.*\ntwo words.txt\n\$\(touch X\)\n$/,
      );
    });
  },
);

test("completion prints a script for PowerShell, and refuses unknown shells", async () => {
  await withShell((shell) => {
    const script = shell.type("deltar completion powershell");
    assert.match(script, /Register-ArgumentCompleter/);
    const words = JSON.stringify(["cat", "latest", "tw"]);
    fill(shell);
    const line = btoa(words);
    assert.deepEqual(
      JSON.parse(shell.type(`deltar complete powershell ${line}`)),
      [
        { word: "two words.txt", about: "two words.txt" },
      ],
    );
    assert.throws(() => shell.type("deltar completion csh"), /exit 2/);
  });
});

test("complete prints and writes nothing if there are no candidates [T2]", async () => {
  await withShell((shell) => {
    const before = disk(shell);
    for (
      const line of [
        "deltar complete -- ''",
        "deltar complete",
        "deltar complete fish --repo /nowhere cat latest x",
        "deltar complete fish cat --repo s3://nowhere/x latest x",
        "deltar complete fish cat --repo ../absent ''",
        "deltar complete powershell '{'",
      ]
    ) assert.equal(shell.type(`${line} 2>&1`).trim(), "", line);
    assert.deepEqual(disk(shell), before);
  });
});

test("complete of a distant repository uses only the cache [T2]", async () => {
  await withShell(async (shell) => {
    shell.type("deltar copy latest --to ../far");
    // The cache has objects of a server that no longer runs.
    const location = "http://127.0.0.1:9/far";
    const inner = new LocalStorage(join(shell.home, "far"));
    const far: Storage = {
      location,
      get: (name, options) => inner.get(name, options),
      list: (prefix) => inner.list(prefix),
      put: () => Promise.reject(new Error("read only")),
      delete: () => Promise.reject(new Error("read only")),
    };
    const folder = join(
      shell.home,
      ".cache/deltar/objects",
      placeSum(location),
    );
    const repository = await Repository.open(
      withCache(far, new LocalStorage(folder)),
    );
    const [record] = await repository.snapshots();
    await repository.tree(record);
    const ids = shell.type(`deltar complete fish cat --repo ${location} ''`);
    assert.match(ids, new RegExp(`\n${record.id}\t`));
    const paths = shell.type(
      `deltar complete fish cat --repo ${location} latest no`,
    );
    assert.equal(paths, "\nnotes.txt\n");
  });
});
