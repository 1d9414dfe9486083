import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `work` with an empty folder, and deletes the folder afterwards. */
export async function withTemp<Result>(
  work: (folder: string) => Result | Promise<Result>,
): Promise<Result> {
  const { folder, remove } = lastingTemp();
  try {
    return await work(folder);
  } finally {
    remove();
  }
}

/** Creates an empty folder that several tests share. */
export function lastingTemp(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "deltar-test-"));
  return {
    folder,
    remove() {
      unlock(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Makes every folder writable, so that its content can be deleted. */
function unlock(folder: string): void {
  try {
    chmodSync(folder, 0o700);
  } catch {
    // The name is not valid text, so it does not belong to a restored tree.
    return;
  }
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) unlock(join(folder, entry.name));
  }
}
