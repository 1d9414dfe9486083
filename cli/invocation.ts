import { existsSync, realpathSync } from "node:fs";
import { basename, delimiter, join, relative, resolve } from "node:path";
import process from "node:process";
import { shellWord } from "./text.ts";

/** Programs that run sources; some have their version in the name, as `node24`. */
const RUNTIME = /^(?:bun|node|deno)/;

/** How the user called this command, for the lines that are to be typed. */
export function invocation(): string {
  const { env, argv, execPath } = process;
  if (env.DELTAR_TASK === "1") {
    const npx = env.npm_command === "exec" ? "npx " : "";
    return `${npx}deno task deltar`;
  }
  const runtime = basename(execPath).replace(/\.exe$/, "");
  const script = argv[1] ?? "";
  if (!script.endsWith("cli.ts") || !RUNTIME.test(runtime)) return "deltar";
  const program = isOnPath(runtime) ? runtime : shellWord(execPath);
  const run = runtime.startsWith("deno") ? " run --cached-only -A" : "";
  const place = shellWord(relative(process.cwd(), script) || script);
  return `${program}${run} ${place}`;
}

/** Whether a name alone would start the program that runs, and no other one. */
function isOnPath(name: string): boolean {
  const { env, execPath, platform } = process;
  const file = platform === "win32" ? `${name}.exe` : name;
  const first = (env.PATH ?? "").split(delimiter)
    .map((folder) => join(folder, file))
    .find((place) => existsSync(place));
  return first !== undefined && realpathSync(first) === realpathSync(execPath);
}

/** The words that run this command from anywhere. */
export function ownCommand(): string[] {
  const { argv, execPath } = process;
  const runtime = basename(execPath).replace(/\.exe$/, "");
  if (!RUNTIME.test(runtime)) return [execPath];
  const run = runtime.startsWith("deno") ? ["run", "--cached-only", "-A"] : [];
  return [execPath, ...run, resolve(argv[1])];
}
