import { basename, relative, resolve } from "node:path";
import process from "node:process";
import { shellWord } from "./text.ts";

/** How the user called this command, for the lines that are to be typed. */
export function invocation(): string {
  const { env, argv, execPath } = process;
  if (env.DELTAR_TASK === "1") {
    const npx = env.npm_command === "exec" ? "npx " : "";
    return `${npx}deno task deltar`;
  }
  const runtime = basename(execPath).replace(/\.exe$/, "");
  const script = argv[1] ?? "";
  if (!script.endsWith("cli.ts") || !/^(?:bun|node|deno)$/.test(runtime)) {
    return "deltar";
  }
  const place = shellWord(relative(process.cwd(), script) || script);
  return runtime === "deno"
    ? `deno run --cached-only -A ${place}`
    : `${runtime} ${place}`;
}

/** The words that run this command from anywhere. */
export function ownCommand(): string[] {
  const { argv, execPath } = process;
  const runtime = basename(execPath).replace(/\.exe$/, "");
  if (!/^(?:bun|node|deno)$/.test(runtime)) return [execPath];
  const run = runtime === "deno" ? ["run", "--cached-only", "-A"] : [];
  return [execPath, ...run, resolve(argv[1])];
}
