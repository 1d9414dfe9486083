import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { canUseXattrs } from "../../lib/tree/open_folder.ts";
import { needs, runText } from "./peer.ts";

/** Whether this process is root, which may set every attribute. */
export const isRoot = process.getuid?.() === 0;

/** Options for a test with extended attributes, which Node cannot read. */
export const needsXattrs: { skip?: string } = canUseXattrs()
  ? needs("setfattr", "getfattr", "setfacl", "setcap", "rsync")
  : { skip: "this runtime has no calls for extended attributes" };

/** Options for such a test that only root can run. */
export const needsXattrsOfRoot: { skip?: string } = isRoot
  ? needsXattrs
  : { skip: "needs to be root" };

/** Sets an attribute of a file, folder or symlink. */
export function setXattr(place: string, name: string, value: string): void {
  execFileSync("setfattr", ["-h", "-n", name, "-v", value, place]);
}

/** Returns the output of `getfattr` for all attributes of a tree. */
export function shownXattrs(root: string): string {
  const all = ["-h", "-R", "-d", "-m", "-", "-e", "base64", "."];
  return runText("getfattr", all, { cwd: root });
}

/**
 * Returns the changes that `rsync` would make to turn `there` into `wanted`.
 */
export function differences(wanted: string, there: string): string {
  const how = ["-aHAXcni", "--delete", "--modify-window=-1"];
  return runText("rsync", [...how, `${wanted}/`, `${there}/`]);
}

/**
 * Writes a tree with attributes of every kind. Without root, it has only the
 * attributes that a user may set.
 */
export function writeAttributed(root: string): void {
  fs.mkdirSync(join(root, "folder"), { recursive: true });
  const at = (path: string) => join(root, path);
  const run = (program: string, ...args: string[]) =>
    void execFileSync(program, args, { cwd: root });
  fs.writeFileSync(at("file"), "content");
  setXattr(at("file"), "user.text", "a=b");
  setXattr(at("file"), "user.bytes", "0x00ff0a3d10");
  setXattr(at("file"), "user.a=b%", "1");
  setXattr(at("file"), "user.empty", "");
  run("setfacl", "-m", "u:12345:rw,g:1:r", "file");
  fs.linkSync(at("file"), at("hard"));
  run("setfacl", "-m", "u:12:rx", "folder");
  run("setfacl", "-d", "-m", "u:7:rwx", "folder");
  setXattr(at("folder"), "user.folder", "1");
  fs.chmodSync(at("folder"), 0o2750);
  fs.writeFileSync(at("folder/inherits"), "1");
  fs.writeFileSync(at("folder/plain"), "2");
  run("setfacl", "-b", "folder/plain");
  fs.writeFileSync(at("large"), new Uint8Array(3_000_000).fill(7));
  setXattr(at("large"), "user.large", "y".repeat(3000));
  fs.writeFileSync(at("closed"), "3");
  setXattr(at("closed"), "user.closed", "1");
  fs.chmodSync(at("closed"), 0o444);
  fs.symlinkSync("nowhere", at("link"));
  fs.writeFileSync(at("none"), "4");
  setXattr(root, "user.root", "1");
  if (!isRoot) return;
  setXattr(at("file"), "trusted.file", "1");
  setXattr(at("link"), "trusted.link", "1");
  fs.copyFileSync("/bin/true", at("program"));
  fs.chownSync(at("program"), 65534, 65534);
  run("setcap", "cap_net_raw+ep", "program");
  fs.chmodSync(at("program"), 0o4755);
}
