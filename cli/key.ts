import process from "node:process";
import { Argument, Command } from "commander";
import { DeltarError, type Repository } from "../mod.ts";
import type {
  KeyFor,
  KeyInfo,
  RepositoryKeys,
  Signer,
} from "../lib/repository/mod.ts";
import { recoverySheet } from "../shared/recovery_sheet.ts";
import { plural } from "../shared/text.ts";
import { ask, canAsk, declined } from "./ask.ts";
import { askSecret } from "./ask_secret.ts";
import { begin, type CommonOptions } from "./begin.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { invocation } from "./invocation.ts";
import { thisMachine } from "./machine.ts";
import { ownRecipient, passphraseIn } from "./own_keys.ts";
import { type RekeyFlags, runRekey } from "./rekey.ts";
import { formatDate, shellWord, showText } from "./text.ts";
import { isFolder } from "./location.ts";

/** The actions of `deltar key`, and whether each action needs a name. */
const ACTIONS: Record<string, boolean> = {
  "list": false,
  "add": true,
  "remove": true,
  "rotate": false,
  "rekey": false,
  "revoke": true,
  "show-recipient": false,
  "show-machine": false,
  "recovery-sheet": false,
};

interface Options extends CommonOptions, RekeyFlags {
  recipient?: string;
  passphraseFile?: string;
  writeOnly?: boolean;
  signer?: string;
  machine?: string;
}

/** Makes the command `deltar key`. */
export function keyCommand(context: Context): Command {
  return new Command("key")
    .description(
      "List, add, remove and rotate the keys of an encrypted repository. " +
        "Your age identity or your passphrase opens the repository. The " +
        "identity is in the file $DELTAR_IDENTITY, or in the file `identity` " +
        "of your configuration folder. The passphrase is in the file " +
        "$DELTAR_PASSPHRASE_FILE, or is printed by " +
        "$DELTAR_PASSPHRASE_COMMAND. If you have none of these, you are asked " +
        "for a passphrase",
    )
    .addArgument(
      new Argument("<action>", "What to do").choices(Object.keys(ACTIONS)),
    )
    .argument(
      "[name]",
      "The name of the key to add or remove, or the machine or public signing " +
        "key to revoke",
    )
    .option(
      "--recipient <age1…>",
      "Add a key for the owner of this age recipient (default: ask for a " +
        "passphrase)",
    )
    .option(
      "--passphrase-file <file>",
      "Add a key with the passphrase in the first line of this file",
    )
    .option(
      "--write-only",
      "Add a key that can take snapshots but cannot read the repository",
    )
    .option(
      "--signer <key>",
      "Trust snapshots signed by the owner of this public key (ssh-ed25519 AAAA…)",
    )
    .option(
      "--machine <id>",
      "Use this id for the machine that signs (default: the name of the key; " +
        "needed if --write-only and --signer are given)",
    )
    .option("--dry-run", "Show what rekey would store, and store nothing")
    .option("--yes", "Print the recovery sheet, or rekey, without asking")
    .addHelpText("after", NOTES)
    .action(
      async (
        action: string,
        name: string | undefined,
        options: Options,
        command: Command,
      ) => {
        const needsName = ACTIONS[action];
        if (needsName !== (name !== undefined)) {
          const what = action === "revoke"
            ? "a machine or a public key"
            : "the name of a key";
          command.error(
            needsName
              ? `error: 'deltar key ${action}' needs ${what}`
              : `error: 'deltar key ${action}' takes no name`,
            { exitCode: EXIT.usage },
          );
        }
        context.code = action === "show-machine"
          ? await showMachine(context, options)
          : await run(context, action, name ?? "", options);
      },
    );
}

const NOTES = `
show-machine prints what \`key add\` needs to know about this machine. rotate
gives the repository a new identity (a secret key of age), which the owners of
removed keys do not get. rekey replaces the objects from before a rotation, so
that older identities can no longer open anything in the repository. Contents
are not decrypted, but each object is read and stored as a whole (on S3:
downloaded and uploaded). Earlier copies of these objects can still be opened
with an older identity. revoke ends the trust in snapshots that a machine
signed.`;

async function run(
  context: Context,
  action: string,
  name: string,
  options: Options,
): Promise<number> {
  const { out, repository } = await begin(context, options);
  const { keys } = repository;
  if (keys === undefined) {
    throw new DeltarError(
      "unsupported",
      "the repository is not encrypted, so it has no keys; to create an " +
        "encrypted one, run `deltar init --encrypt` with another `--repo`",
      { object: repository.storage.location },
    );
  }
  switch (action) {
    case "add": {
      const added = await newKey(context, name, options);
      await withName(() => keys.add(added));
      break;
    }
    case "remove":
      return await remove(out, keys, name);
    case "rotate":
      await keys.rotate();
      break;
    case "rekey":
      return await runRekey(context, out, repository, options);
    case "revoke":
      return await revoke(out, keys, name);
    case "show-recipient": {
      const recipient = keys.recipient();
      if (out.json) {
        out.object("key", { recipient, admin: keys.adminPublicKey });
      } else out.line(recipient);
      return EXIT.done;
    }
    case "recovery-sheet":
      return await printSheet(context, out, repository, keys, options);
  }
  const all = await report(out, keys);
  if (out.json) return EXIT.done;
  if (action === "list") await printList(out, keys, all);
  else if (action === "add") {
    out.line(
      `Added the key ${name}. The repository has ${plural(all.length, "key")}.`,
    );
  } else {
    out.line(
      `The repository has a new identity. Updated ${
        plural(all.length, "key")
      }.`,
    );
    out.note(
      "recovery sheets from before the rotation open only what was stored " +
        "before the rotation. Print a new sheet with `deltar key " +
        "recovery-sheet`. Programs that opened the repository before the " +
        "rotation continue with the old identity. After `deltar key rekey`, " +
        "the old identity no longer opens anything that was stored before " +
        "the rotation.",
    );
  }
  return EXIT.done;
}

/** Removes a key, and prints what its owner can still do. */
async function remove(
  out: Console,
  keys: RepositoryKeys,
  name: string,
): Promise<number> {
  const before = await keys.holders();
  await withName(() => keys.remove(name));
  const all = await report(out, keys);
  if (out.json) return EXIT.done;
  out.line(
    `Removed the key ${name}. The repository has ${plural(all.length, "key")}.`,
  );
  const kind = before.find((key) => key.name === name)?.kind;
  out.note(
    kind === "write-only"
      ? "the snapshots of the key's machine are kept, but are no longer " +
        "trusted. To keep the machine from storing more, take away its access " +
        "to the storage."
      : "the owner of this key might have kept the identity of the " +
        "repository. After `deltar key rotate`, the owner cannot read what " +
        "is stored from then on.",
  );
  return EXIT.done;
}

/**
 * Revokes all signing keys of a machine, or one signing key.
 *
 * @param name The id or host name of the machine, or the public key.
 */
async function revoke(
  out: Console,
  keys: RepositoryKeys,
  name: string,
): Promise<number> {
  const signers = (await keys.signers.list()).filter(({ publicKey, machine }) =>
    machine.id === name || machine.host === name ||
    publicKey === name.trim().split(/\s+/).slice(0, 2).join(" ")
  );
  const ids = new Set(signers.map(({ machine }) => machine.id));
  if (ids.size !== 1) {
    throw new DeltarError(
      "not-found",
      ids.size === 0
        ? "no signer of the repository has this id, host name or public key; " +
          "`deltar key list` shows the signers"
        : "several machines have this host name; use one of their ids: " +
          [...ids].join(", "),
      { object: name },
    );
  }
  for (const { publicKey } of signers) await keys.revoke(publicKey);
  await report(out, keys);
  if (out.json) return EXIT.done;
  out.line(
    `Revoked ${plural(signers.length, "signing key")} of ${name}. Snapshots ` +
      "that were signed with revoked keys are kept, but are no longer trusted.",
  );
  return EXIT.done;
}

/** Returns all keys. With `--json`, also prints the keys and the signers. */
async function report(out: Console, keys: RepositoryKeys): Promise<KeyInfo[]> {
  const all = await keys.holders();
  if (!out.json) return all;
  const signers = await signersOf(out, keys);
  out.object("key", {
    keys: all.map((key) =>
      key.kind === "unknown" ? key : { ...key, added: isoTime(key.added) }
    ),
    signers: signers.map(({ added, revoked, ...signer }) => ({
      ...signer,
      added: isoTime(added),
      ...revoked !== undefined && { revoked: isoTime(revoked) },
    })),
    admin: keys.adminPublicKey,
  });
  return all;
}

/** Returns the signers, or an empty list if the user's key is write-only. */
async function signersOf(
  out: Console,
  { isWriteOnly, signers }: RepositoryKeys,
): Promise<Signer[]> {
  if (isWriteOnly) return [];
  return await signers.list((error) => out.warn(error.message));
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}

/**
 * Prints the keys, the signers that are or were trusted, and the public admin
 * key.
 */
async function printList(
  out: Console,
  keys: RepositoryKeys,
  all: readonly KeyInfo[],
): Promise<void> {
  const width = Math.max(...all.map(({ name }) => name.length));
  for (const key of all) {
    const to = key.kind === "unknown" ? "" : key.recipient ?? "passphrase";
    const words = [key.name.padEnd(width), key.kind.padEnd(10), to];
    out.line(showText(words.join("  ").trimEnd()));
  }
  const signers = await signersOf(out, keys);
  if (signers.length > 0) out.line("\nSigners:");
  for (const { publicKey, machine, revoked } of signers) {
    const { id, host } = machine;
    const name = host === undefined ? id : `${id} (${host})`;
    const end = revoked === undefined
      ? ""
      : `  revoked ${formatDate(revoked).slice(0, 10)}`;
    out.line(showText(`${name}  ${publicKey}${end}`));
  }
  out.line(`\nAdmin key:\n${keys.adminPublicKey}`);
}

/** Prints what the owner of a repository needs to know to add this machine. */
async function showMachine(
  context: Context,
  { json = false }: Options,
): Promise<number> {
  const out = new Console(context, json);
  const { id, host = id, key } = await thisMachine();
  const recipient = await ownRecipient();
  const signer = key?.publicKey;
  if (json) {
    out.object("key", { machine: { id, host }, recipient, signer });
    return EXIT.done;
  }
  out.line(`Machine:    ${showText(id)}`);
  out.line(`Recipient:  ${recipient}`);
  if (signer !== undefined) out.line(`Signer:     ${signer}`);
  const name = host.replaceAll(/[^\w.-]/g, "_").replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64) || "machine";
  const command = [
    ...[invocation(), "key", "add", name, "--recipient", recipient],
    ...signer === undefined ? [] : ["--signer", shellWord(signer)],
    ...["--machine", shellWord(id)],
  ].join(" ");
  out.line("");
  out.line("On a machine with a full key, add a key for this machine:");
  out.line("");
  out.line(`    ${command}`);
  out.line("");
  out.line("If this machine must not read the repository, add --write-only.");
  return EXIT.done;
}

/**
 * Prints the recovery sheet. Anyone who has the sheet can read the repository.
 */
async function printSheet(
  context: Context,
  out: Console,
  repository: Repository,
  keys: RepositoryKeys,
  options: Options,
): Promise<number> {
  if (keys.isWriteOnly) {
    throw new DeltarError(
      "key",
      "a write-only key cannot show the identity of the repository; use a " +
        "full key",
      { object: repository.storage.location },
    );
  }
  await confirmSheet(context, out, options);
  if (out.json) {
    out.object("key", {
      repository: repository.storage.location,
      id: repository.id,
      recipient: keys.recipient(),
      identities: keys.identities(),
    });
  } else {
    for (const line of sheetOf(repository, keys)) out.line(line);
  }
  return EXIT.done;
}

/**
 * Calls a function that uses the name of a key.
 *
 * @throws {DeltarError} `unsupported` if the name is not valid for a key.
 */
async function withName(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DeltarError("unsupported", error.message, { cause: error });
  }
}

/**
 * Returns the key that the options describe. Without `--recipient` and
 * `--passphrase-file`, asks for a passphrase.
 */
async function newKey(
  context: Context,
  name: string,
  options: Options,
): Promise<KeyFor> {
  const { writeOnly, signer, machine } = options;
  if (writeOnly && options.recipient === undefined) {
    throw new DeltarError(
      "key",
      "a write-only key needs a recipient; run `deltar key show-machine` on " +
        "the machine of the key, and add the printed recipient with " +
        "`--recipient`",
      { object: name },
    );
  }
  if (writeOnly && signer !== undefined && machine === undefined) {
    throw new DeltarError(
      "key",
      "the signer of a write-only key is trusted only for snapshots of one " +
        "machine; run `deltar key show-machine` on that machine, and add " +
        "the printed id with `--machine`",
      { object: name },
    );
  }
  return {
    name,
    to: await newOpener(context, name, options),
    kind: writeOnly ? "write-only" : "full",
    ...signer !== undefined && {
      signer: { publicKey: signer, machine: { id: machine ?? name } },
    },
  };
}

/** Returns the recipient or passphrase that a new key is encrypted with. */
async function newOpener(
  { signal }: Context,
  name: string,
  { recipient, passphraseFile }: Options,
): Promise<KeyFor["to"]> {
  if (recipient !== undefined) return recipient;
  if (passphraseFile !== undefined) {
    return { passphrase: passphraseIn(passphraseFile) };
  }
  if (!canAsk()) {
    throw new DeltarError(
      "key",
      "missing recipient or passphrase for the new key; add `--recipient` or " +
        "`--passphrase-file`",
      { object: name },
    );
  }
  const passphrase = await askSecret("New passphrase", signal);
  if (passphrase !== await askSecret("New passphrase again", signal)) {
    throw new DeltarError("key", "the two passphrases differ; try again", {
      object: name,
    });
  }
  if (passphrase === "") {
    throw new DeltarError(
      "key",
      "the passphrase is empty; type at least one character",
      { object: name },
    );
  }
  return { passphrase };
}

/**
 * Asks the user whether to print the recovery sheet, unless `--yes` is given or
 * there is no terminal.
 *
 * @throws {DeltarError} `unsafe` if the answer is no; `aborted` if the signal
 * fires.
 */
async function confirmSheet(
  { signal }: Context,
  out: Parameters<typeof ask>[0],
  { yes }: Options,
): Promise<void> {
  if (yes || !canAsk()) return;
  const question =
    "The sheet shows the identity of the repository. Anybody who has the " +
    "sheet can decrypt the repository. Print the sheet?";
  if (!await ask(out, question, signal)) {
    throw declined("the sheet was not printed");
  }
}

/** Returns the lines of the recovery sheet of a repository. */
function sheetOf(
  { id, storage }: Repository,
  keys: RepositoryKeys,
): string[] {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  const endpoint = AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL;
  const text = recoverySheet({
    location: showText(storage.location),
    ...(endpoint && !isFolder(storage.location) && {
      endpoint: showText(endpoint),
    }),
    id,
    recipient: keys.recipient(),
    identities: keys.identities(),
    printed: Date.now(),
  });
  return text.trimEnd().split("\n");
}
