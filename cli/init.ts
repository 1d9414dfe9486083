import { Command } from "commander";
import type { CommonOptions } from "./begin.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { absolute, locateFrom } from "./location.ts";
import {
  addCreateOptions,
  openOrCreate,
  sharingOf,
} from "./open_repository.ts";
import { showPath } from "./text.ts";

interface Options extends CommonOptions {
  encrypt?: boolean;
  shared?: boolean;
  sharedWrite?: boolean;
}

/** Makes the command `deltar init`. */
export function initCommand(context: Context): Command {
  return addCreateOptions(new Command("init"))
    .description(
      "Create a repository without a snapshot. `deltar snapshot` also " +
        "creates a repository if there is none",
    )
    .action(async (options: Options) => {
      context.code = await run(context, options);
    });
}

async function run(context: Context, options: Options): Promise<number> {
  const out = new Console(context, options.json ?? false);
  const { location } = locateFrom(options.repo, absolute("."));
  const repository = await openOrCreate(context, location, {
    init: true,
    encrypt: options.encrypt,
    shared: sharingOf(options),
  });
  const isEncrypted = repository.keys !== undefined;
  const place = repository.storage.location;
  if (out.json) {
    out.object("init", { repository: place, encrypted: isEncrypted });
  } else {
    out.line(
      `Created the ${isEncrypted ? "encrypted " : ""}repository ${
        showPath(place)
      }`,
    );
  }
  return EXIT.done;
}
