// tree_writer.test.ts runs this script as another user.
import process from "node:process";
import { TreeWriter } from "../../lib/tree/tree_writer.ts";

const content = new TextEncoder().encode("new");
const metadata = { mode: 0o644, mtime: 0n, uid: 0, gid: 0 };
const writer = new TreeWriter(process.argv[2]);
for (const path of ["closed/file", "closed/in/new", "new"]) {
  await writer.file(path, content, metadata);
}
writer.finish();
console.log("done");
