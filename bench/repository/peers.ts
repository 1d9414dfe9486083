import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";

/** A command line, and the folder in which it is started. */
export interface Step {
  /** The program and its arguments. */
  command: string[];
  /** The path of the folder. Default: the current directory. */
  cwd?: string;
}

/** A program that stores versions of a directory. */
export interface Peer {
  /** The name of the program in the table. */
  name: string;
  /** The command line that prints the version. */
  version: string[];
  /**
   * Called with a folder for the program's own files. Returns additional
   * environment variables.
   */
  env: (home: string) => Record<string, string>;
  /**
   * Called with the path of a repository. Returns the steps that create it.
   * Absent if no step is needed.
   */
  init?: (repo: string) => Step[];
  /** Called to store version `n` of the directory `live`. Returns the steps. */
  snapshot: (repo: string, live: string, n: number) => Step[];
  /**
   * Called to restore the last version, `n`, into the new folder `to`. Returns
   * the steps.
   */
  restore: (repo: string, live: string, to: string, n: number) => Step[];
  /** Called to restore one file of the last version, `n`. Returns the steps. */
  restoreFile: (
    repo: string,
    live: string,
    to: string,
    n: number,
    file: string,
  ) => Step[];
}

const one = (...command: string[]): Step[] => [{ command }];
const shell = (script: string, ...words: string[]): Step[] =>
  one("sh", "-ec", script, "sh", ...words);

/**
 * Returns deltar and the programs that it is compared with, given the path of
 * deltar's binary.
 */
export function allPeers(deltar: string): Peer[] {
  return [
    {
      name: "deltar",
      version: [deltar, "--version"],
      env: (home) => ({ XDG_CACHE_HOME: home }),
      snapshot: (repo, live) => one(deltar, "snapshot", live, "--repo", repo),
      restore: (repo, _, to) =>
        one(deltar, "restore", "latest", "--to", to, "--repo", repo),
      restoreFile: (repo, _, to, __, file) =>
        one(deltar, "restore", "latest", file, "--to", to, "--repo", repo),
    },
    {
      name: "restic",
      version: ["restic", "version"],
      env: (home) => ({ RESTIC_PASSWORD: "x", RESTIC_CACHE_DIR: home }),
      init: (repo) => one("restic", "-q", "-r", repo, "init"),
      snapshot: (repo, live) => one("restic", "-q", "-r", repo, "backup", live),
      restore: (repo, _, to) =>
        one("restic", "-q", "-r", repo, "restore", "latest", "--target", to),
      restoreFile: (repo, live, to, _, file) =>
        one(
          "restic",
          "-q",
          "-r",
          repo,
          "restore",
          "latest",
          "--target",
          to,
          "--include",
          `${live}/${file}`,
        ),
    },
    {
      name: "rustic",
      version: ["rustic", "--version"],
      env: (home) => ({
        HOME: home,
        XDG_CONFIG_HOME: home,
        RUSTIC_PASSWORD: "x",
        RUSTIC_CACHE_DIR: home,
        RUSTIC_NO_PROGRESS: "true",
      }),
      init: (repo) => one("rustic", "-r", repo, "init"),
      snapshot: (repo, live) => one("rustic", "-r", repo, "backup", live),
      restore: (repo, live, to) =>
        one("rustic", "-r", repo, "restore", `latest:${live}`, to),
      restoreFile: (repo, live, to, _, file) =>
        one("rustic", "-r", repo, "restore", `latest:${live}/${file}`, to),
    },
    {
      name: "kopia",
      version: ["kopia", "--version"],
      env: (home) => ({
        HOME: home,
        XDG_CACHE_HOME: home,
        XDG_CONFIG_HOME: home,
        KOPIA_PASSWORD: "x",
        KOPIA_CONFIG_PATH: `${home}/repository.config`,
        KOPIA_CACHE_DIRECTORY: `${home}/cache`,
        KOPIA_LOG_DIR: `${home}/log`,
        KOPIA_CHECK_FOR_UPDATES: "false",
      }),
      init: (repo) => [
        ...one("kopia", "repository", "create", "filesystem", "--path", repo),
        // Without this policy, kopia does not compress.
        ...one("kopia", "policy", "set", "--global", "--compression=zstd"),
      ],
      snapshot: (_, live) => one("kopia", "snapshot", "create", live),
      restore: (_, live, to) =>
        one("kopia", "restore", "--snapshot-time=latest", live, to),
      restoreFile: (_, live, to, __, file) =>
        one(
          "kopia",
          "restore",
          "--snapshot-time=latest",
          `${live}/${file}`,
          to,
        ),
    },
    {
      name: "borg",
      version: ["borg", "--version"],
      env: (home) => ({
        BORG_BASE_DIR: home,
        BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
        BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
      }),
      init: (repo) => one("borg", "init", "-e", "none", repo),
      snapshot: (repo, live, n) => [{
        command: ["borg", "create", "-C", "zstd", `${repo}::v${n}`, "."],
        cwd: live,
      }],
      restore: (repo, _, to, n) => [{
        command: ["borg", "extract", `${repo}::v${n}`],
        cwd: made(to),
      }],
      restoreFile: (repo, _, to, n, file) => [{
        command: ["borg", "extract", `${repo}::v${n}`, file],
        cwd: made(to),
      }],
    },
    {
      name: "duplicity",
      version: ["duplicity", "--version"],
      env: (home) => ({ HOME: home }),
      snapshot: (repo, live, n) =>
        one(
          "duplicity",
          n === 0 ? "full" : "incremental",
          "--no-encryption",
          "--allow-source-mismatch",
          live,
          `file://${repo}`,
        ),
      restore: (repo, _, to) =>
        one("duplicity", "restore", "--no-encryption", `file://${repo}`, to),
      restoreFile: (repo, _, to, __, file) =>
        one(
          "duplicity",
          "restore",
          "--no-encryption",
          "--file-to-restore",
          file,
          `file://${repo}`,
          `${to}.file`,
        ),
    },
    {
      name: "rdiff-backup",
      version: ["rdiff-backup", "--version"],
      env: () => ({}),
      snapshot: (repo, live) => one("rdiff-backup", "backup", live, repo),
      restore: (repo, _, to) => one("rdiff-backup", "restore", repo, to),
      restoreFile: (repo, _, to, __, file) =>
        one("rdiff-backup", "restore", `${repo}/${file}`, `${to}.file`),
    },
    {
      name: "shadow git",
      version: ["git", "--version"],
      env: (home) => ({ HOME: home }),
      init: (repo) => one("git", "init", "-q", "--bare", repo),
      snapshot: (repo, live) =>
        shell(
          'git --git-dir "$1" --work-tree "$2" add -A -f . && ' +
            'git --git-dir "$1" --work-tree "$2" -c user.name=x -c user.email=x ' +
            "commit -q --allow-empty -m x",
          repo,
          live,
        ).map((step) => ({ ...step, cwd: live })),
      restore: (repo, _, to) =>
        shell(
          'mkdir "$2"; git --git-dir "$1" --work-tree "$2" checkout-index -aq ' +
            '--prefix="$2/"',
          repo,
          to,
        ),
      restoreFile: (repo, _, to, __, file) =>
        shell('git --git-dir "$1" show "HEAD:$3" >"$2"', repo, to, file),
    },
    {
      name: "tar, zstd -3",
      version: ["zstd", "--version"],
      env: () => ({}),
      init: (repo) => one("mkdir", repo),
      snapshot: (repo, live, n) =>
        one(
          "tar",
          "--use-compress-program=zstd -3 -q",
          "-C",
          live,
          "-cf",
          `${repo}/${n}.tar.zst`,
          ".",
        ),
      restore: (repo, _, to, n) =>
        one("tar", "--zstd", "-C", made(to), "-xf", `${repo}/${n}.tar.zst`),
      restoreFile: (repo, _, to, n, file) =>
        one(
          "tar",
          "--zstd",
          "-C",
          made(to),
          "-xf",
          `${repo}/${n}.tar.zst`,
          `./${file}`,
        ),
    },
  ];
}

/**
 * Returns the programs that are installed on this machine, with their names and
 * versions.
 */
export function installed(
  peers: readonly Peer[],
): { peer: Peer; version: string }[] {
  return peers.flatMap((peer) => {
    try {
      const [program, ...words] = peer.version;
      const text = execFileSync(program, words, {
        encoding: "utf8",
        env: process.env,
        stdio: ["ignore", "pipe", "ignore"],
      });
      const number = /\d+(\.\d+)+/.exec(text)?.[0] ?? text.split("\n")[0];
      return [{ peer, version: `${basename(program)} ${number}` }];
    } catch {
      return [];
    }
  });
}

function made(folder: string): string {
  mkdirSync(folder, { recursive: true });
  return folder;
}
