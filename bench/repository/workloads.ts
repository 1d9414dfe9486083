import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { concat } from "../../lib/bytes/source.ts";
import { Random } from "./random.ts";

const MIB = 2 ** 20;

/** A directory and its changes from snapshot to snapshot. */
export interface Workload {
  /** The name of the workload. */
  name: string;
  /**
   * The changes to the directory, one before each snapshot. The first change
   * fills the directory. After the last snapshot, the directory is restored.
   */
  states: { name: string; apply: (live: string) => void }[];
  /**
   * Called with the path of the directory. Returns the path, relative to the
   * directory, of a file to restore alone. Absent if the directory has only one
   * file, or if a restore of one file is not measured.
   */
  file?: (live: string) => string;
  /**
   * Whether one more snapshot is taken at the end, without a change before it.
   */
  unchanged?: boolean;
}

/** The sizes of the inputs. */
export interface Scale {
  /** The size of the random file, in MiB. */
  scatter: number;
  /** The number of rows of the database. */
  rows: number;
  /**
   * The number of rows of the database that changes often, and the number of
   * its changes.
   */
  deltas: [rows: number, versions: number];
  /**
   * The maximum number of files of the tree, and their maximum total size in
   * bytes.
   */
  tree: [files: number, bytes: number];
  /**
   * The number of files of 100 KB, and the number of times that some of them
   * change.
   */
  many: [files: number, versions: number];
  /**
   * The number of snapshots of a long history, and the number of snapshots that
   * are measured near its start. The same number is measured at its end.
   */
  history: [snapshots: number, measured: number];
  /**
   * Whether the benchmark waits after each change before it takes a snapshot.
   * If `false`, it waits only in workloads with `unchanged`.
   */
  settles: boolean;
}

/** The sizes for which the targets are set. */
export const FULL: Scale = {
  scatter: 512,
  rows: 360_000,
  deltas: [90_000, 8],
  tree: [24_000, 0.3e9],
  many: [2000, 10],
  history: [1000, 8],
  settles: true,
};

/** Small sizes, to check quickly that the benchmark works. */
export const QUICK: Scale = {
  scatter: 32,
  rows: 20_000,
  deltas: [5000, 3],
  tree: [2500, 0.03e9],
  many: [200, 3],
  history: [24, 2],
  settles: false,
};

/**
 * Makes the inputs, unless they exist, and returns the workloads.
 *
 * @param folder The folder of the inputs.
 * @param scale The sizes of the inputs.
 */
export function makeWorkloads(folder: string, scale: Scale): Workload[] {
  mkdirSync(folder, { recursive: true });
  return [
    scatter(folder, scale.scatter),
    database(folder, scale.rows),
    changingDatabase(folder, ...scale.deltas),
    manyUpdates(...scale.many),
    tree(folder, ...scale.tree),
  ];
}

/**
 * Returns `count` states of a directory with 2,000 small files in 40 folders.
 * Each state after the first changes up to 20 of the files.
 */
export function historyOf(count: number): Workload["states"] {
  const path = (live: string, at: number) =>
    join(live, `folder${at % 40}`, `file${at}.txt`);
  const fill = (live: string) => {
    const random = new Random("history");
    for (let at = 0; at < 2000; at++) {
      mkdirSync(dirname(path(live, at)), { recursive: true });
      writeFileSync(path(live, at), random.text(2000));
    }
  };
  const change = (n: number) => (live: string) => {
    const random = new Random(`history ${n}`);
    for (let edit = 0; edit < 20; edit++) {
      writeFileSync(path(live, random.below(2000)), random.text(2000));
    }
  };
  return Array.from({ length: count }, (_, n) => ({
    name: `${n}`,
    apply: n === 0 ? fill : change(n),
  }));
}

/**
 * Makes a file or folder, unless it exists, and returns its path. The file or
 * folder gets its name only when it is complete.
 */
function once(file: string, make: (part: string) => void): string {
  if (!existsSync(file)) {
    rmSync(`${file}.part`, { recursive: true, force: true });
    make(`${file}.part`);
    renameSync(`${file}.part`, file);
  }
  return file;
}

function scatter(folder: string, size: number): Workload {
  const first = once(join(folder, "random"), (part) => {
    const random = new Random("scatter");
    const file = openSync(part, "w");
    for (let at = 0; at < size; at++) writeSync(file, random.bytes(MIB));
  });
  const second = once(join(folder, "scatter"), (part) => {
    const random = new Random("scatter edits");
    const bytes = new Uint8Array(readFileSync(first));
    for (let edit = 0; edit < 500; edit++) {
      bytes.set(random.bytes(50), random.below(bytes.length - 50));
    }
    const middle = bytes.length / 2;
    const parts = [
      bytes.subarray(0, 1000),
      random.bytes(5),
      bytes.subarray(1000, middle),
      random.bytes(3000),
      bytes.subarray(middle),
    ];
    writeFileSync(part, concat(parts));
  });
  return {
    name: "scatter",
    states: [
      { name: "first", apply: (live) => copyFileSync(first, `${live}/file`) },
      { name: "second", apply: (live) => copyFileSync(second, `${live}/file`) },
    ],
  };
}

/** Opens a SQLite database, calls a function with it, and closes it. */
function edit(file: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
  work(database);
  database.close();
}

function bodyOf(random: Random): string {
  return random.bytes(100 + random.below(300)).toHex();
}

/** Creates a database with a table, and adds rows to the table. */
function fillDatabase(file: string, random: Random, rows: number): void {
  edit(file, (database) => {
    database.exec(
      "CREATE TABLE item (id INTEGER PRIMARY KEY, name, body); BEGIN",
    );
    const insert = database.prepare("INSERT INTO item VALUES (?, ?, ?)");
    for (let row = 0; row < rows; row++) {
      insert.run(row, `item ${row}`, bodyOf(random));
    }
    database.exec("COMMIT; CREATE INDEX item_name ON item (name)");
  });
}

/** Updates some rows of a database that has `rows` rows, and adds new rows. */
function changeDatabase(
  file: string,
  random: Random,
  rows: number,
  [updated, added]: [updated: number, added: number],
): void {
  edit(file, (database) => {
    database.exec("BEGIN");
    const update = database.prepare("UPDATE item SET body = ? WHERE id = ?");
    for (let at = 0; at < updated; at++) {
      update.run(bodyOf(random), random.below(rows));
    }
    const insert = database.prepare("INSERT INTO item VALUES (?, ?, ?)");
    for (let at = 0; at < added; at++) {
      insert.run(rows + at, `item ${rows + at}`, bodyOf(random));
    }
    database.exec("COMMIT");
  });
}

function database(folder: string, rows: number): Workload {
  const random = new Random("db");
  const first = once(
    join(folder, "db"),
    (part) => fillDatabase(part, random, rows),
  );
  const second = once(join(folder, "db.second"), (part) => {
    copyFileSync(first, part);
    changeDatabase(part, random, rows, [2000, 500]);
  });
  const third = once(join(folder, "db.vacuum"), (part) => {
    copyFileSync(second, part);
    edit(part, (database) => database.exec("VACUUM"));
  });
  const state = (name: string, file: string) => ({
    name,
    apply: (live: string) => copyFileSync(file, `${live}/db.sqlite`),
  });
  return {
    name: "db",
    states: [
      state("first", first),
      state("second", second),
      state("VACUUM", third),
    ],
  };
}

/**
 * Returns the workload of a smaller database that changes again and again.
 * deltar stores at most eight deltas of a file before it stores the whole file
 * again, so a restore after eight changes applies the maximum number of deltas.
 */
function changingDatabase(
  folder: string,
  rows: number,
  versions: number,
): Workload {
  const first = once(
    join(folder, "deltas"),
    (part) => fillDatabase(part, new Random("deltas"), rows),
  );
  const file = (live: string) => `${live}/db.sqlite`;
  return {
    name: "deltas",
    states: [
      { name: "first", apply: (live) => copyFileSync(first, file(live)) },
      ...Array.from({ length: versions }, (_, at) => ({
        name: "each",
        apply: (live: string) =>
          changeDatabase(
            file(live),
            new Random(`deltas ${at}`),
            rows + at * 125,
            [500, 125],
          ),
      })),
    ],
  };
}

function manyUpdates(files: number, versions: number): Workload {
  const path = (live: string, at: number) =>
    join(live, `folder${at % 50}`, `file${at}.txt`);
  const fill = (live: string) => {
    const random = new Random("manyupdates");
    for (let at = 0; at < files; at++) {
      const file = path(live, at);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, random.text(100_000));
    }
  };
  const change = (version: number) => (live: string) => {
    const random = new Random(`manyupdates ${version}`);
    for (let at = 0; at < files / 100; at++) {
      const file = path(live, random.below(files));
      const bytes = readFileSync(file);
      for (let edit = 0; edit < 3; edit++) {
        const text = new TextEncoder().encode(random.text(50));
        bytes.set(text, random.below(bytes.length - 50));
      }
      writeFileSync(file, bytes);
    }
  };
  return {
    name: "manyupdates",
    states: [
      { name: "first", apply: fill },
      ...Array.from({ length: versions }, (_, at) => ({
        name: "each",
        apply: change(at),
      })),
    ],
  };
}

/**
 * Returns the workload of real files. It has the first `files` files of at most
 * 1 MiB in `/usr`, in the order of their names. A file that would bring the
 * total size above `bytes` bytes is left out.
 */
function tree(folder: string, files: number, bytes: number): Workload {
  const source = once(join(folder, "tree"), (part) => {
    const chosen: string[] = [];
    let left = bytes;
    for (const path of realFiles("/usr")) {
      const { size } = lstatSync(path);
      if (size > left || size > MIB) continue;
      left -= size;
      chosen.push(path.slice(1));
      if (chosen.length === files) break;
    }
    mkdirSync(part);
    writeFileSync(`${part}.names`, chosen.join("\0"));
    execFileSync(
      "sh",
      [
        "-c",
        'tar -C / --null -T "$1.names" -cf - | tar -xf - -C "$1"',
        "",
        part,
      ],
    );
    rmSync(`${part}.names`);
  });
  return {
    name: "tree",
    states: [
      {
        name: "first",
        apply: (live) => execFileSync("cp", ["-a", `${source}/.`, live]),
      },
      { name: "changed", apply: changeTree },
    ],
    file: (live) => [...realFiles(live)][1000].slice(live.length + 1),
    unchanged: true,
  };
}

/** Edits 200 files, creates 50, deletes 50 and renames 30. */
function changeTree(live: string): void {
  const random = new Random("tree");
  const paths = [...realFiles(live)];
  const take = () => paths.splice(random.below(paths.length), 1)[0];
  for (let edit = 0; edit < 200; edit++) {
    const path = take();
    const bytes = new Uint8Array(readFileSync(path));
    const more = new TextEncoder().encode(random.text(40));
    const at = random.below(bytes.length + 1);
    const parts = [bytes.subarray(0, at), more, bytes.subarray(at)];
    rmSync(path);
    writeFileSync(path, concat(parts));
  }
  for (let made = 0; made < 50; made++) {
    const place = join(dirname(take()), `created ${made}.txt`);
    writeFileSync(place, random.text(4000));
  }
  for (let gone = 0; gone < 50; gone++) rmSync(take());
  for (let moved = 0; moved < 30; moved++) {
    const path = take();
    renameSync(path, `${path}.renamed`);
  }
}

/** Yields the regular files below a folder, in the order of their names. */
function* realFiles(folder: string): Generator<string> {
  const found = readdirSync(folder, { withFileTypes: true })
    .sort((one, other) => one.name < other.name ? -1 : 1);
  for (const entry of found) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* realFiles(path);
    else if (entry.isFile()) yield path;
  }
}
