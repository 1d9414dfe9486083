import { randomFillSync } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { concat } from "../../lib/bytes/source.ts";

const MIB = 2 ** 20;

/**
 * The names of the basis and of the new file of each delta.
 * {@linkcode makeInputs} makes these files.
 */
export const PAIRS: Record<string, [basis: string, file: string]> = {
  scatter: ["random", "scatter"],
  foreign: ["random", "foreign"],
  db: ["db", "db.updated"],
  vacuum: ["db", "db.vacuumed"],
  zeros: ["zeros", "zeros"],
};

/**
 * Makes the input files, unless they exist:
 *
 * - `random`: random bytes
 * - `scatter`: the random bytes with 500 overwrites of 50 bytes, and insertions
 *   of 5 and 3,000 bytes
 * - `foreign`: other random bytes, half the size of `random`
 * - `db`, `db.updated`, `db.vacuumed`: a SQLite database of about two fifths of
 *   the size of `random`, the database after 2,000 row updates, and the updated
 *   database after VACUUM
 * - `zeros`: zeros, the same size as `random`
 *
 * @param folder The folder of the files.
 * @param size The size of `random` in MiB.
 */
export function makeInputs(folder: string, size: number): void {
  const at = (name: string) => `${folder}/${name}`;
  if (existsSync(at("ready"))) return;
  writeRandom(at("random"), size);
  writeRandom(at("foreign"), size / 2);
  writeFileSync(at("zeros"), "");
  truncateSync(at("zeros"), size * MIB);
  const bytes = new Uint8Array(readFileSync(at("random")));
  for (let edit = 0; edit < 500; edit++) {
    const start = Math.floor(Math.random() * (bytes.length - 50));
    bytes.set(randomFillSync(new Uint8Array(50)), start);
  }
  const middle = bytes.length / 2;
  writeFileSync(
    at("scatter"),
    concat([
      bytes.subarray(0, 1000),
      randomFillSync(new Uint8Array(5)),
      bytes.subarray(1000, middle),
      randomFillSync(new Uint8Array(3000)),
      bytes.subarray(middle),
    ]),
  );
  makeDatabases(folder, size * 680);
  writeFileSync(at("ready"), "");
}

function writeRandom(name: string, size: number): void {
  const file = openSync(name, "w");
  const bytes = new Uint8Array(MIB);
  for (let piece = 0; piece < size; piece++) {
    writeSync(file, randomFillSync(bytes));
  }
  closeSync(file);
}

function makeDatabases(folder: string, rows: number): void {
  const [first, updated, vacuumed] = ["db", "db.updated", "db.vacuumed"].map(
    (name) => `${folder}/${name}`,
  );
  const text = (length: number) =>
    randomFillSync(new Uint8Array(length)).toHex();
  const open = (name: string) => {
    const database = new DatabaseSync(name);
    database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    return database;
  };
  let database = open(first);
  database.exec(
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name, body); BEGIN",
  );
  const insert = database.prepare("INSERT INTO item VALUES (?, ?, ?)");
  for (let row = 0; row < rows; row++) {
    insert.run(row, `item ${row}`, text(100 + row * 7919 % 300));
  }
  database.exec("COMMIT; CREATE INDEX item_name ON item (name)");
  database.close();
  copyFileSync(first, updated);
  database = open(updated);
  database.exec("BEGIN");
  const update = database.prepare("UPDATE item SET body = ? WHERE id = ?");
  for (let edit = 0; edit < 2000; edit++) {
    const row = Math.floor(Math.random() * rows);
    update.run(text(100 + Math.floor(Math.random() * 300)), row);
  }
  database.exec("COMMIT");
  database.close();
  copyFileSync(updated, vacuumed);
  database = open(vacuumed);
  database.exec("VACUUM");
  database.close();
}
