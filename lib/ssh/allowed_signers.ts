import { DeltarError } from "../bytes/errors.ts";
import { publicText, wireOf } from "./ed25519.ts";

/** A trusted signer: a name and a public key. */
export interface AllowedSigner {
  /** The name of the signer. */
  name: string;
  /** The public key: `ssh-ed25519 AAAA…`. */
  publicKey: string;
}

/**
 * Reads a list of trusted signers, as `ssh-keygen -Y verify -f` does (section
 * ALLOWED SIGNERS of ssh-keygen(1)). The only supported option of a line is
 * `namespaces`, with a list of names without wildcards.
 *
 * @param text The content of the file.
 * @param namespace The purpose of the signatures to check, such as `deltar`.
 * @returns The signers, in the order of the lines. These lines are ignored:
 *
 *   - empty lines and comments;
 *   - lines whose option `namespaces` does not include `namespace`;
 *   - lines with keys of kinds other than Ed25519.
 * @throws {DeltarError} `corrupt`, with the number of the line, if a line is
 *   invalid or has an option that is not supported; `unsupported` or `corrupt`
 *   if an Ed25519 key is not valid.
 *
 * @example
 * ```ts
 * import { makeKeyPair, readAllowedSigners, readPrivateKey } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const { publicKey } = await readPrivateKey(await makeKeyPair("laptop"));
 * const list = `# my machines\nlaptop namespaces="deltar" ${publicKey}\n`;
 * const expected = [{ name: "laptop", publicKey }];
 * assert.deepEqual(readAllowedSigners(list, "deltar"), expected);
 * assert.deepEqual(readAllowedSigners(list, "git"), []);
 * ```
 */
export function readAllowedSigners(
  text: string,
  namespace: string,
): AllowedSigner[] {
  const signers: AllowedSigner[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const fields =
      /^(?<name>\S+)\s+(?:(?<option>[^\s"]+=?"[^"]*"|[a-z-]+(?:,\S*)?)\s+)?(?<kind>[a-z0-9@.-]+)\s+(?<key>[A-Za-z0-9+/=]+)/
        .exec(line.trim())?.groups;
    const fail = (what: string) =>
      new DeltarError(
        "corrupt",
        `line ${at + 1} of the list of signers ${what}`,
      );
    if (fields === undefined) throw fail("is not of the form `NAME KIND KEY`");
    const { name, option, kind, key } = fields;
    if (option !== undefined) {
      const names = /^namespaces="([^"]*)"$/.exec(option)?.[1].split(",");
      if (names === undefined) {
        throw fail(`has an option that deltar does not support: ${option}`);
      }
      if (!names.includes(namespace)) continue;
    }
    if (kind !== "ssh-ed25519") continue;
    signers.push({ name, publicKey: publicText(wireOf(`${kind} ${key}`)) });
  }
  return signers;
}
