import type { Store } from "../store/store.ts";
import type { UntrustedSnapshot, VerifyOptions } from "./verify.ts";

/**
 * Returns the snapshots whose signature is missing or not trusted, in the order
 * of `Store.records`. Records that cannot be read are left out.
 */
export async function findUntrusted(
  store: Store,
  { signers }: VerifyOptions,
): Promise<UntrustedSnapshot[]> {
  const untrusted: UntrustedSnapshot[] = [];
  for (const record of await store.records({ onDamage: () => {} })) {
    const { id, signer } = record;
    const trust = signers === undefined
      ? await store.trustOf(record)
      : signer === undefined
      ? "unsigned"
      : signers.includes(signer)
      ? "trusted"
      : "unknown";
    if (trust === "trusted") continue;
    untrusted.push({ id, trust, ...signer !== undefined && { signer } });
  }
  return untrusted;
}
