import { canUseRawNames } from "../../lib/tree/open_folder.ts";
import { needs, run } from "./peer.ts";

/** Options for a test with names that are not valid UTF-8. */
export const needsRawNames: { skip?: string } = canUseRawNames()
  ? needs("bash", "rsync", "cp", "rm")
  : { skip: "this runtime cannot use names that are not valid UTF-8" };

/** The names of one byte that Linux allows. */
export const SINGLE: readonly string[] = Array.from(
  { length: 255 },
  (_, at) => String.fromCharCode(at + 1),
).filter((name) => name !== "/" && name !== ".");

/**
 * Runs bash commands in a folder, and sets all times in it to a time that every
 * runtime can set exactly. Not every runtime can create such names itself.
 */
export function bash(
  folder: string,
  commands: readonly string[],
  time = 1_500_000_000.5,
): void {
  const touch = `find . -exec touch -h -d @${time} {} +`;
  const input = ["set -e", ...commands, touch, ""].join("\n");
  run("bash", ["-s"], { cwd: folder, input });
}

/** Returns bytes, each of which is one character, as a word of bash. */
function quoted(bytes: string): string {
  const octal = (byte: string) =>
    `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`;
  return `$'${Array.from(bytes, octal).join("")}'`;
}

/**
 * Returns a path as a word of bash.
 *
 * @param bytes The path, each byte as one character.
 */
export function word(bytes: string): string {
  return quoted(`./${bytes}`);
}

/** Returns the command of bash that writes a file. */
export function file(bytes: string, content = `content of ${bytes}`): string {
  return `printf %s ${quoted(content)} > ${word(bytes)}`;
}

/** Deletes a folder that may have such names. */
export function remove(folder: string): void {
  run("rm", ["-rf", folder]);
}

/** Makes a folder with names of all bytes but `/` and NUL. */
export function plant(folder: string): void {
  const long = Array.from({ length: 255 }, (_, at) => {
    const byte = String.fromCharCode(255 - at % 255);
    return byte === "/" ? "\xfe" : byte;
  }).join("");
  run("mkdir", [folder]);
  bash(folder, [
    ...SINGLE.map((name) => file(name)),
    file(long),
    file("\xff".repeat(255)),
    file("caf\xe9.txt"),
    file("caf\xc3\xa9.txt"),
    file("caf\xef\xbf\xbd.txt"),
    file("caf\\xe9.txt"),
    file("end\xe9\n\n"),
    `mkdir -p ${word("d\xf0r/in\xedner")} ${word("empty\xed\xb3\xbf")}`,
    file("d\xf0r/in\xedner/f\xff", "text ".repeat(500)),
    file("d\xf0r/plain"),
    `ln -s ${word("d\xf0r")} ${word("li\xa0nk")}`,
    `ln -s ${word("to\xc3 \xe4")} plainlink`,
    `ln ${word("caf\xe9.txt")} ${word("hard\xe8")}`,
    `ln ${word("caf\xe9.txt")} aplainhard`,
    `ln ${word("d\xf0r/plain")} zhard`,
    `head -c 300000 /dev/zero | tr '\\0' a > ${word("lar\xe7e")}`,
    `truncate -s 4000000 ${word("spar\xdfe")}`,
    `printf data | dd of=${word("spar\xdfe")} bs=1 seek=2000000 conv=notrunc ` +
    "status=none",
  ]);
}

/** Changes what `plant` made. */
export function change(folder: string): void {
  bash(folder, [
    file("caf\xe9.txt", "another content"),
    `mv ${word("lar\xe7e")} ${word("d\xf0r/moved\xea")}`,
    `printf b | dd of=${word("d\xf0r/in\xedner/f\xff")} bs=1 seek=700 ` +
    "conv=notrunc status=none",
    `rm ${word("\xfe")} ${word("li\xa0nk")}`,
    `rmdir ${word("empty\xed\xb3\xbf")}`,
    `ln -s ${word("x\xff")} ${word("li\xa0nk")}`,
    file("ne\xb1w"),
  ]);
}

/** Makes a folder with some names that are not valid UTF-8. */
export function plantFew(folder: string): void {
  run("mkdir", [folder]);
  bash(folder, [
    file("caf\xe9.txt", "content"),
    file("caf\\xe9.txt", "its name is plain"),
    file("plain", "plain"),
    `mkdir ${word("d\xf0r")}`,
    file("d\xf0r/f\xff", "below"),
    `ln -s ${word("to\xc3")} ${word("link")}`,
    `ln ${word("caf\xe9.txt")} ${word("hard\xe8")}`,
  ]);
}
