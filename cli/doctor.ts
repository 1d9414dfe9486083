import { Buffer } from "node:buffer";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { DeltarError, type Repository, VERSION } from "../mod.ts";
import { codecFor } from "../lib/archive/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { adviceFor } from "./advice.ts";
import { lastFired } from "./agent/fired.ts";
import { type Host, HOSTS } from "./agent/hosts.ts";
import { installedHooks } from "./agent/installed_hooks.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { hookLog } from "./hook.ts";
import { lossAt, lostPlaces, noteOf } from "./known_places.ts";
import {
  absolute,
  type FolderKind,
  locateFrom,
  userFolder,
} from "./location.ts";
import { openRepository } from "./open_repository.ts";
import { messageOf, refusalOf } from "./refusal.ts";
import { paint } from "./terminal.ts";
import { formatDate, showText } from "./text.ts";

/** The result of one check. */
interface Finding {
  /** The name of the check. */
  check: string;
  /** The outcome. If a check has `failed`, the command exits with 1. */
  state: "ok" | "warning" | "failed";
  /** A description of the result, with advice on any problem. */
  detail: string;
}

const COLORS = { ok: "green", warning: "yellow", failed: "red" } as const;

/** The free space in bytes below which `doctor` warns. */
const MIN_FREE_BYTES = 1e9;

/** Makes the command `deltar doctor`. */
export function doctorCommand(context: Context): Command {
  return new Command("doctor")
    .action(async ({ repo, json }: { repo?: string; json?: boolean }) => {
      const out = new Console(context, json ?? false);
      const findings = [
        checkRuntime(),
        await checkZstd(),
        ...(["data", "cache", "config", "state"] as const).map((kind) =>
          checkFolder(context, kind)
        ),
        ...await checkRepository(context, repo),
        ...checkPlaces(located(repo)),
        ...checkHook(),
        ...HOSTS.flatMap((host) => checkAgent(context, host)),
      ];
      if (findings.some(({ state }) => state === "failed")) {
        context.code = EXIT.failed;
      }
      if (json) return out.object("doctor", { findings });
      for (const { check, state, detail } of findings) {
        const sign = paint(COLORS[state], state.padEnd(8));
        out.line(`${sign} ${check.padEnd(18)} ${showText(detail)}`);
      }
    });
}

/** Returns the location of the repository to check. */
function located(repo: string | undefined): string {
  return locateFrom(repo, absolute(".")).location;
}

function checkRuntime(): Finding {
  const { versions, platform, arch } = process;
  const name = versions.deno
    ? `Deno ${versions.deno}`
    : versions.bun
    ? `Bun ${versions.bun}`
    : `Node ${versions.node}`;
  const detail = `deltar ${VERSION} on ${name}, ${platform} ${arch}`;
  return { check: "runtime", state: "ok", detail };
}

async function checkZstd(): Promise<Finding> {
  const check = "compression";
  try {
    await codecFor("zstd").compress(new Uint8Array(1));
    return { check, state: "ok", detail: "zstd and gzip" };
  } catch {
    const detail = "this runtime has no zstd, which new repositories need. " +
      "Use Node 22.15, Deno 2.6 or Bun 1.3, or a later version.";
    return { check, state: "failed", detail };
  }
}

function checkFolder({ opened }: Context, kind: FolderKind): Finding {
  const check = `${kind} folder`;
  const folder = userFolder(kind);
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  try {
    rmSync(mkdtempSync(join(there, ".deltar-doctor-")), { recursive: true });
  } catch (error) {
    const refusal = refusalOf(error, opened);
    const why = refusal?.why ?? (error as Error).message;
    const next = refusal?.next ?? "Check the owner and mode.";
    const detail = `cannot write to ${there}: ${why}. ${next}`;
    return { check, state: "failed", detail };
  }
  const { bavail, bsize } = statfsSync(there);
  const free = bavail * bsize;
  const detail = `${folder}, ${formatBytes(free)} free`;
  return free < MIN_FREE_BYTES
    ? { check, state: "warning", detail: `${detail}; free some space` }
    : { check, state: "ok", detail };
}

async function checkRepository(
  context: Context,
  repo: string | undefined,
): Promise<Finding[]> {
  const check = "repository";
  let repository: Repository;
  try {
    repository = await openRepository(context, repo, ".", { fresh: true });
  } catch (error) {
    const isNone = codeOf(error) === "not-found" && !repo &&
      lossAt(located(repo)) === "new";
    const detail = isNone
      ? "there is no repository yet"
      : [messageOf(error, context.opened), keyAdvice(error)]
        .filter(Boolean).join("; ");
    return [{ check, state: isNone ? "ok" : "failed", detail }];
  }
  const damage: string[] = [];
  const records = await repository.snapshots({
    onDamage: ({ message }) => void damage.push(message),
  });
  const findings: Finding[] = [
    damage.length > 0
      ? {
        check,
        state: "failed",
        detail: `${damage[0]}; \`deltar verify --data\` shows all damage`,
      }
      : {
        check,
        state: "ok",
        detail: `${
          plural(records.length, "snapshot")
        } in ${repository.storage.location}`,
      },
    await checkConditions(context, repository),
    ...records.length > 0 ? await checkSecondKey(repository) : [],
  ];
  const ahead = records.findLast(({ time }) => time > Date.now() + 60_000);
  if (ahead !== undefined) {
    findings.push({
      check: "clock",
      state: "warning",
      detail:
        `snapshot ${ahead.id} has the time ${formatDate(ahead.time)}, which ` +
        "is in the future. Check this machine's clock. If the clock was " +
        "wrong only when the snapshot was taken, ignore this warning: the " +
        "snapshot can be restored.",
    });
  }
  return findings;
}

/**
 * Returns the advice for a missing, wrong or damaged key, or `undefined` for
 * any other error.
 */
function keyAdvice(error: unknown): string | undefined {
  const isOfKey = codeOf(error) === "key" ||
    error instanceof DeltarError && error.object?.startsWith("keys/");
  return isOfKey ? adviceFor(error) : undefined;
}

/**
 * Checks for other known repositories that are missing, for example because a
 * disk is not mounted.
 */
function checkPlaces(repository: string): Finding[] {
  return lostPlaces().filter(({ note }) => note !== noteOf(repository))
    .map(({ location, note }) => ({
      check: "known repository",
      state: "warning",
      detail: `${location} is missing. If its disk is not mounted, mount it. ` +
        `If the repository is lost, delete ${note} to end this warning.`,
    }));
}

/** Checks for failures of `deltar hook` that the user might have missed. */
function checkHook(): Finding[] {
  const file = hookLog();
  if (!existsSync(file)) return [];
  const last = readFileSync(file, "utf8").trimEnd().split("\n").at(-1);
  const detail = `\`deltar hook\` failed. The last failure: ${last}. After ` +
    `you have read ${file}, delete it.`;
  return [{ check: "agent hook", state: "warning", detail }];
}

/**
 * Checks that the programs in a host's hooks exist, and that a hook has run.
 */
function checkAgent({ opened }: Context, host: Host): Finding[] {
  const check = "agent hook";
  const { id, title } = host;
  try {
    const hooks = installedHooks(host);
    const gone = hooks.find(({ missing }) => missing !== undefined);
    if (gone !== undefined) {
      const detail = `the hook of ${title} runs ${gone.missing}, which does ` +
        `not exist. Run \`deltar agent install ${id}${
          gone.scope === "user" ? " --user" : ""
        }\`.`;
      return [{ check, state: "warning", detail }];
    }
    // Only a hook with --host records that it ran.
    const isNamed = hooks.some(({ words }) => words.includes("--host"));
    if (!isNamed || lastFired(id) !== undefined) return [];
    const detail = `the hook of ${title} is installed, but has never run. ` +
      `Start ${title} again, and send a prompt.`;
    return [{ check, state: "warning", detail }];
  } catch (error) {
    const detail = `${title}: ${messageOf(error, opened)}`;
    return [{ check, state: "warning", detail }];
  }
}

/**
 * Checks that a drill has succeeded with a key other than this machine's. If
 * the machine is lost, its key is lost, and only another key opens the
 * repository.
 */
async function checkSecondKey(repository: Repository): Promise<Finding[]> {
  const { keys } = repository;
  if (keys === undefined || keys.isWriteOnly) return [];
  const check = "second key";
  const names = await keys.list();
  const proofs = [...(await repository.proofs()).values()];
  const tested = new Set(
    proofs.flatMap(({ keys = [] }) => keys)
      .filter((name) => name !== keys.openedBy && names.includes(name)),
  );
  if (proofs.some(({ sheet }) => sheet === keys.recipient())) {
    tested.add("the recovery sheet");
  }
  if (tested.size > 0) {
    const detail = `a drill has succeeded with ${[...tested].join(", ")}`;
    return [{ check, state: "ok", detail }];
  }
  const detail =
    "no drill has succeeded with a key other than this machine's " +
    `(${keys.openedBy}). If this machine is lost, only another key opens the ` +
    "repository. Write the identity from a recovery sheet, or the identity " +
    "of a second key, into a file, set the environment variable " +
    "DELTAR_IDENTITY to the path of this file, and run `deltar drill`.";
  return [{ check, state: "warning", detail }];
}

/**
 * Checks that the storage supports conditional writes, which never replace an
 * object.
 */
async function checkConditions(
  { opened }: Context,
  { storage }: Repository,
): Promise<Finding> {
  const check = "conditional write";
  const settings = Buffer.concat(
    await Array.fromAsync(storage.get("deltar.json")),
  );
  try {
    // If the storage ignores `ifAbsent`, it replaces the settings, but with the
    // same content.
    await storage.put("deltar.json", settings, { ifAbsent: true });
  } catch (error) {
    const { code } = error as DeltarError;
    return code === "exists"
      ? { check, state: "ok", detail: "the storage refuses to replace objects" }
      : { check, state: "warning", detail: messageOf(error, opened) };
  }
  const detail = "the storage ignores `If-None-Match`. Two snapshots that " +
    "begin in the same millisecond could overwrite each other; run only one " +
    "deltar at a time.";
  return { check, state: "warning", detail };
}
