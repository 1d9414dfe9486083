import { Command, InvalidArgumentError } from "commander";
import { DeltaBuilder } from "../lib/delta/delta_builder.ts";
import {
  decodeLibrsyncSignature,
  encodeLibrsyncSignature,
  isLibrsyncSignature,
  sign,
  Signature,
} from "../lib/delta/mod.ts";
import { patchParts } from "../lib/delta/patch.ts";
import { plural } from "../shared/text.ts";
import { openBasis, readPieces, readWhole, sizeOf } from "./rdiff_files.ts";
import { withOutput } from "./output.ts";
import { Stats } from "./rdiff_stats.ts";

interface Options {
  blockSize: number;
  sumSize: number;
  hash: "sha256" | "blake2";
  force: boolean;
  stats: boolean;
}

/**
 * Makes the command `deltar rdiff`. Like librsync's `rdiff`, it has the
 * commands `signature`, `delta` and `patch` for single files. `-` stands for
 * standard input or output, except as the basis of `patch`.
 */
export function rdiffCommand(): Command {
  const command = new Command("rdiff")
    .option(
      "-b, --block-size <bytes>",
      "Use this block size; with 0, it depends on the file's size",
      count,
      0,
    )
    .option(
      "-S, --sum-size <bytes>",
      "Use strong sums of this size; with 0, the size is 32 for blake2, and " +
        "depends on the file's size for sha256",
      count,
      0,
    )
    .option(
      "-H, --hash <kind>",
      "Use sha256 (the default), or blake2 like librsync",
      hash,
    )
    .option("-f, --force", "Replace an existing output file", false)
    .option("-s, --stats", "Print statistics to standard error", false);
  command.command("signature")
    .description("Write the signature of a file")
    .argument("[basis]", "The file", "-")
    .argument("[signature]", "The signature to write", "-")
    .action((basis, output, _, self: Command) =>
      writeSignature(basis, output, self.optsWithGlobals())
    );
  command.command("delta")
    .description("Write the delta of a new file against a signature")
    .argument(
      "<signature>",
      "A signature made by deltar, or by librsync with BLAKE2",
    )
    .argument("[newfile]", "The new file", "-")
    .argument("[delta]", "The delta to write", "-")
    .action((basis, input, output, _, self: Command) =>
      writeDelta(basis, input, output, self.optsWithGlobals())
    );
  command.command("patch")
    .description("Apply a delta to its basis")
    .argument("<basis>", "The old file")
    .argument("[delta]", "The delta", "-")
    .argument("[newfile]", "The new file to write", "-")
    .action((basis, input, output, _, self: Command) =>
      writePatched(basis, input, output, self.optsWithGlobals())
    );
  return command;
}

async function writeSignature(basis: string, target: string, options: Options) {
  const stats = new Stats();
  const librsync = options.hash === "blake2";
  const signature = await sign(stats.read(readPieces(basis)), {
    size: sizeOf(basis),
    blockSize: options.blockSize || undefined,
    strongLength: options.sumSize || (librsync ? 32 : undefined),
    strongKind: librsync ? "blake2b" : "sha256",
  });
  const parts = librsync
    ? [encodeLibrsyncSignature(signature)]
    : signature.encodeParts();
  const written = await withOutput(target, options.force, async (output) => {
    for (const part of parts) await output.write(part);
  });
  if (options.stats) {
    console.error(
      `${plural(signature.blockCount, "block")} of ` +
        `${plural(signature.blockSize, "byte")}, strong sums of ` +
        plural(signature.strongLength, "byte"),
    );
    console.error(stats.work(written));
  }
}

async function writeDelta(
  basis: string,
  input: string,
  target: string,
  options: Options,
) {
  const stats = new Stats();
  const signature = await readSignature(basis);
  const written = await withOutput(target, options.force, async (output) => {
    const builder = new DeltaBuilder(signature, (bytes) => {
      if (options.stats) stats.commands(bytes);
      return output.write(bytes);
    });
    for await (const piece of stats.read(readPieces(input))) {
      await builder.push(piece);
    }
    await builder.finish();
  });
  if (options.stats) {
    console.error(stats.summary);
    console.error(stats.work(written));
  }
}

async function readSignature(name: string): Promise<Signature> {
  const bytes = await readWhole(name);
  return isLibrsyncSignature(bytes)
    ? decodeLibrsyncSignature(bytes, { object: name })
    : Signature.decode(bytes, { object: name });
}

async function writePatched(
  basis: string,
  input: string,
  target: string,
  options: Options,
) {
  const stats = new Stats();
  const access = openBasis(basis);
  try {
    const written = await withOutput(target, options.force, async (output) => {
      const delta = stats.read(readPieces(input), options.stats);
      for await (const bytes of patchParts(access, delta, { object: input })) {
        await output.write(bytes);
      }
    });
    if (options.stats) {
      console.error(stats.summary);
      console.error(stats.work(written));
    }
  } finally {
    access.close();
  }
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw new InvalidArgumentError(
      "Use a whole number of bytes with at most nine digits.",
    );
  }
  return Number(text);
}

function hash(text: string): "sha256" | "blake2" {
  if (text === "sha256" || text === "blake2") return text;
  throw new InvalidArgumentError("Use sha256 or blake2.");
}
