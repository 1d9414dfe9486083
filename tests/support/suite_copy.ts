import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The parts of the repository that the tests read. */
const PARTS = [
  "CHANGELOG.md",
  "README.md",
  "cli",
  "cli.ts",
  "deno.json",
  "docs",
  "lib",
  "mod.ts",
  "package.json",
  "shared",
  "tasks",
  "tests",
];

/** Matches the packages that are only needed to build or show something. */
const UNUSED =
  /^(?:@arethetypeswrong\/|@types\/|esbuild$|playwright|publint$|typescript$|vscode$)/;

/**
 * Copies the sources, the tests and the packages that they load. The copy has
 * no symlinks, which Wine does not show.
 *
 * @param to The folder of the copy, which is replaced.
 */
export function copySuite(to: string): void {
  fs.rmSync(to, { recursive: true, force: true });
  fs.mkdirSync(to, { recursive: true });
  for (const part of PARTS) {
    fs.cpSync(join(ROOT, part), join(to, part), { recursive: true });
  }
  const { dependencies, devDependencies } = packageIn(ROOT);
  const names = Object.keys({ ...dependencies, ...devDependencies })
    .filter((name) => !UNUSED.test(name));
  const top = new Map(names.map((name) => [name, find(name, ROOT)]));
  for (const name of names) copyPackage(name, top.get(name), to, top);
}

/**
 * Copies a package and, below it, the versions of other packages that only it
 * needs.
 */
function copyPackage(
  name: string,
  from: string | undefined,
  to: string,
  above: ReadonlyMap<string, string | undefined>,
): void {
  if (from === undefined) return;
  const place = join(to, "node_modules", name);
  fs.cpSync(from, place, { recursive: true });
  const there = new Map(above);
  const own = Object.keys(packageIn(from).dependencies ?? {})
    .map((name) => [name, find(name, from)] as const)
    .filter(([name, found]) => above.get(name) !== found);
  for (const [name, found] of own) there.set(name, found);
  for (const [name, found] of own) copyPackage(name, found, place, there);
}

/** Returns the folder of the package that a folder's modules load. */
function find(name: string, folder: string): string | undefined {
  for (let at = folder;; at = dirname(at)) {
    const place = join(at, "node_modules", name);
    if (fs.existsSync(place)) return fs.realpathSync(place);
    if (at === dirname(at)) return undefined;
  }
}

function packageIn(
  folder: string,
): Record<
  "dependencies" | "devDependencies",
  Record<string, string> | undefined
> {
  return JSON.parse(fs.readFileSync(join(folder, "package.json"), "utf8"));
}
