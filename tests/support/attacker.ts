import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";

/** The user that attacks if root runs the tests. */
const NOBODY_ID = 65534;
const isRoot = process.getuid?.() === 0;

/** Returns the content of a file of the attacker. */
function inside(name: string): string {
  return `inside ${name}`;
}

/**
 * A script that replaces folders and files of a folder with links and pipes,
 * and back, as fast as it can, until it is killed. It prints a line when it
 * begins.
 */
const SCRIPT = `
use strict; use POSIX;
my ($root, $outside, $user, $isGreedy) = @ARGV;
if ($> == 0) { $( = $) = "$user $user"; $< = $> = $user; }
chdir $root or die "chdir: $!";
$| = 1; print "ready\\n";
for (my $n = 0; ; $n++) {
  unlink "dir/1", "dir/link", "other/4", "dir/below/5" if $isGreedy && !($n % 40);
  for my $folder ($isGreedy ? (".", "dir", "dir/below", "other") : ()) {
    opendir my $names, $folder or next;
    for my $name (grep /^\.deltar-stage/, readdir $names) {
      my $at = "$folder/$name";
      rename $at, "$folder/taken" or next;
      symlink $n % 2 ? "$outside/1" : $outside, $at;
      rename "$folder/taken", $at if $n % 3 == 0;
    }
  }
  for my $at ("dir", "dir/below", "other") {
    rename $at, "hold" or next;
    symlink "$outside", $at;
    select undef, undef, undef, 0.0003 if $n % 3 == 0;
    unlink $at;
    rename "hold", $at;
  }
  for my $at ("dir/1", "dir/below/2", "other/3", ".deltarignore") {
    rename $at, "held" or next;
    symlink "$outside/1", $at;
    select undef, undef, undef, 0.0003 if $n % 3 == 1;
    unlink $at;
    if ($n % 4 == 0) { mkfifo $at, 0600; unlink $at; }
    rename "held", $at;
  }
}
`;

/**
 * The checksums of all contents of the attacker's files, including empty ones.
 */
const OWN: ReadonlySet<string> = new Set(
  [
    "",
    "nothing\n",
    ...["1", "2", "3", "4", "below/2", "below/5"].map(inside),
  ].map(sumOf),
);
const SECRET = "the secret of another user\n";
const SECRET_SUM = sumOf(SECRET);
/**
 * The modification time of everything outside, in seconds since 1970. It is in
 * 2001.
 */
const OUTSIDE_TIME_SECONDS = 1_000_000_000;

function sumOf(text: string): string {
  return toHex(sha256(new TextEncoder().encode(text)));
}

/**
 * A folder that an attacker changes, and a folder outside of it that the
 * attacker must not reach.
 */
export class Attacked {
  /** The folder that the attacker may change. */
  readonly root: string;
  /** The folder that the attacker may not even read. */
  readonly outside: string;
  /** The content of each file outside. */
  static readonly SECRET = SECRET;
  /** A name that exists only outside. */
  static readonly NAME = "secret-name";
  #process: ChildProcess | undefined;

  /** Makes both folders. */
  constructor(folder: string) {
    this.root = join(folder, "root");
    this.outside = join(folder, "outside");
    fs.chmodSync(folder, 0o755);
    for (const below of ["dir/below", "other"]) {
      fs.mkdirSync(join(this.root, below), { recursive: true });
      fs.mkdirSync(join(this.outside, "below"), { recursive: true });
    }
    const names = ["1", "2", "3", "4", "below/2", "below/5"];
    for (const name of [...names, Attacked.NAME]) {
      fs.writeFileSync(join(this.outside, name), Attacked.SECRET, {
        mode: 0o600,
      });
    }
    fs.chmodSync(this.outside, 0o700);
    for (const name of this.#outsideNames()) {
      fs.utimesSync(
        join(this.outside, name),
        OUTSIDE_TIME_SECONDS,
        OUTSIDE_TIME_SECONDS,
      );
    }
    for (const name of ["1", "2", "4", "below/2", "below/5"]) {
      fs.writeFileSync(join(this.root, "dir", name), inside(name));
    }
    for (const name of ["1", "3", "4"]) {
      fs.writeFileSync(join(this.root, "other", name), inside(name));
    }
    fs.writeFileSync(join(this.root, ".deltarignore"), "nothing\n");
    if (!isRoot) return;
    for (
      const name of ["", ...fs.readdirSync(this.root, { recursive: true })]
    ) {
      fs.chownSync(join(this.root, String(name)), NOBODY_ID, NOBODY_ID);
    }
  }

  /**
   * Starts the attack.
   *
   * @param isGreedy Whether files are also deleted, and deltar's temporary
   * files are replaced.
   */
  async begin(isGreedy = false): Promise<void> {
    const words = ["-e", SCRIPT, this.root, this.outside, String(NOBODY_ID)];
    if (isGreedy) words.push("1");
    const child = spawn("perl", words, {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    await new Promise((resolve, reject) => {
      child.stdout!.once("data", resolve);
      child.once("exit", reject);
    });
  }

  /** Returns everything in the folder outside that the attack could change. */
  outsideState(): unknown {
    return this.#outsideNames().map((name) => {
      const place = join(this.outside, name);
      const stat = fs.lstatSync(place);
      const { mode, uid, gid, size, mtimeMs } = stat;
      const content = stat.isFile() ? fs.readFileSync(place, "utf8") : "";
      return { name, mode, uid, gid, size, mtimeMs, content };
    });
  }

  #outsideNames(): string[] {
    const names = fs.readdirSync(this.outside, { recursive: true });
    return ["", ...names.map(String)];
  }

  /**
   * Asserts that the entries of a snapshot come from the folder, and not from
   * outside.
   */
  static assertInside(
    entries: readonly { path: string; sha256?: string; mtime: unknown }[],
  ): void {
    for (const { path, sha256, mtime } of entries) {
      Attacked.assertUntold(path);
      const isOutside = sha256 === SECRET_SUM ||
        String(mtime).startsWith(`${OUTSIDE_TIME_SECONDS}`);
      assert.ok(!isOutside, `${path} is from outside`);
      // The attacker took an unfinished file or the journal of deltar.
      if (path.split("/").includes("taken")) continue;
      const isOwn = sha256 === undefined || OWN.has(sha256);
      assert.ok(isOwn, `${path}: the content is not from the folder`);
    }
  }

  /** Asserts that a text contains neither a name nor content from outside. */
  static assertUntold(text: string): void {
    assert.ok(!text.includes(Attacked.NAME), text);
    assert.ok(!text.includes(Attacked.SECRET.trim()), text);
  }

  /** Ends the attack. */
  async end(): Promise<void> {
    const child = this.#process!;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}
