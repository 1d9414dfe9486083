import { Argument, Command } from "commander";
import { DeltarError, type Repository } from "../mod.ts";
import type { KeyFor, RepositoryKeys } from "../lib/repository/mod.ts";
import { plural } from "../shared/text.ts";
import { ask, canAsk } from "./ask.ts";
import { askSecret } from "./ask_secret.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { passphraseIn } from "./own_keys.ts";
import { formatDate, showText } from "./text.ts";

const ACTIONS = ["list", "add", "remove", "show-recipient", "recovery-sheet"];

interface Options extends CommonOptions {
  recipient?: string;
  passphraseFile?: string;
  yes?: boolean;
}

/** Makes `deltar key`. */
export function keyCommand(context: Context): Command {
  return new Command("key")
    .description(
      "List, add and remove the keys of an encrypted repository. Your own key " +
        "is the age identity in the file $DELTAR_IDENTITY, or in the file " +
        "`identity` of your config folder, or the passphrase in the file " +
        "$DELTAR_PASSPHRASE_FILE, or that $DELTAR_PASSPHRASE_COMMAND prints. " +
        "Without any of them, you are asked for a passphrase",
    )
    .addArgument(
      new Argument("<action>", "What to do").choices(ACTIONS),
    )
    .argument("[name]", "The name of the key to add or remove")
    .option(
      "--recipient <age1…>",
      "Add a key for the owner of this age recipient (default: ask for a " +
        "passphrase)",
    )
    .option(
      "--passphrase-file <file>",
      "Add a key with the passphrase in the first line of this file",
    )
    .option("--yes", "Print the recovery sheet without asking")
    .action(
      async (
        action: string,
        name: string | undefined,
        options: Options,
        command: Command,
      ) => {
        const needsName = action === "add" || action === "remove";
        if (needsName !== (name !== undefined)) {
          command.error(
            needsName
              ? `error: 'deltar key ${action}' needs the name of the key`
              : `error: 'deltar key ${action}' takes no name`,
            { exitCode: EXIT.usage },
          );
        }
        context.code = await run(context, action, name ?? "", options);
      },
    );
}

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
      await withName(() => keys.remove(name));
      break;
    case "show-recipient": {
      const recipient = keys.recipient();
      if (out.json) out.object("key", { recipient });
      else out.line(recipient);
      return EXIT.done;
    }
    case "recovery-sheet":
      await confirmSheet(context, out, options);
      if (out.json) {
        out.object("key", {
          repository: repository.storage.location,
          id: repository.id,
          recipient: keys.recipient(),
          identities: keys.identities(),
        });
      } else for (const line of sheet(repository, keys)) out.line(line);
      return EXIT.done;
  }
  const names = await keys.list();
  if (out.json) out.object("key", { keys: names });
  else if (action === "list") { for (const one of names) out.line(one); }
  else {
    const word = action === "add" ? "Added" : "Removed";
    out.line(`${word} the key ${name}; ${plural(names.length, "key")} now.`);
    if (action === "remove") {
      out.note(
        "the owner of this key may have kept the secret key of the " +
          "repository. To shut them out, copy the snapshots to a new " +
          "repository with `deltar copy`.",
      );
    }
  }
  return EXIT.done;
}

/**
 * Calls a function that is passed the name of a key.
 *
 * @throws {DeltarError} `unsupported` if a key cannot have the name.
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
  { signal }: Context,
  name: string,
  { recipient, passphraseFile }: Options,
): Promise<KeyFor> {
  if (recipient !== undefined) return { name, to: recipient };
  if (passphraseFile !== undefined) {
    return { name, to: { passphrase: passphraseIn(passphraseFile) } };
  }
  if (!canAsk()) {
    throw new DeltarError(
      "key",
      "no new key given; add `--recipient` or `--passphrase-file`",
      { object: name },
    );
  }
  const passphrase = await askSecret("New passphrase", signal);
  if (passphrase !== await askSecret("The same again", signal)) {
    throw new DeltarError("key", "the two passphrases differ", {
      object: name,
    });
  }
  if (passphrase === "") {
    throw new DeltarError("key", "the passphrase is empty", { object: name });
  }
  return { name, to: { passphrase } };
}

/**
 * Asks before the secret identity is shown, unless `--yes` is given or no question
 * can be asked.
 */
async function confirmSheet(
  { signal }: Context,
  out: Parameters<typeof ask>[0],
  { yes }: Options,
): Promise<void> {
  if (yes || !canAsk()) return;
  const question =
    "The sheet shows the secret key of the repository. Print it?";
  if (!await ask(out, question, signal)) {
    throw new DeltarError("aborted", "interrupted");
  }
}

/** Returns the lines of the page by which the repository can be read anywhere. */
function sheet(repository: Repository, keys: RepositoryKeys): string[] {
  const { id, storage } = repository;
  return `Recovery sheet of a deltar repository
=====================================

Location:   ${showText(storage.location)}
Repository: ${id}
Printed:    ${formatDate(Date.now())}
Recipient:  ${keys.recipient()}

Secret key. Whoever has this line and the repository can read everything in it:

    ${keys.identities().join("\n    ")}

To restore with deltar, write the secret key into a file KEY:

    DELTAR_IDENTITY=KEY deltar list --repo LOCATION
    DELTAR_IDENTITY=KEY deltar restore ID --repo LOCATION --to FOLDER

To restore without deltar, you need age, zstd, tar, jq and rdiff. Each object
except deltar.json is an age file:

    age -d -i KEY snapshots/ID.json.age
    age -d -i KEY volumes/ID.vol0.tar.zst.age | zstd -dc | tar -tv

The page RECOVERY.md of deltar has a script that restores any snapshot this way.`
    .split("\n");
}
