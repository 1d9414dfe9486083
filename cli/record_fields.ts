import type { SnapshotRecord } from "../mod.ts";
import type { Proof } from "../lib/repository/mod.ts";
import { formatDate } from "./text.ts";

/** Returns the fields of a snapshot for the JSON of commands. */
export function recordFields(record: SnapshotRecord): Record<string, unknown> {
  const { id, time, duration, directory, machine, signer, label } = record;
  const { parent, counts, safety, common, repairs, purged, turn } = record;
  return {
    id,
    time: new Date(time).toISOString(),
    duration,
    directory,
    ...common !== undefined && { common },
    ...machine !== undefined && { machine },
    ...signer !== undefined && { signer },
    ...label !== undefined && { label },
    ...turn !== undefined && { turn },
    ...parent !== undefined && { parent },
    counts,
    ...safety !== undefined && { safety },
    ...repairs !== undefined && { repairs },
    ...purged !== undefined && {
      purged: { ...purged, time: new Date(purged.time).toISOString() },
    },
  };
}

/** Returns the fields of a snapshot's last drill, if any, for JSON. */
export function provenFields(proof: Proof | undefined): object {
  if (proof === undefined) return {};
  const { time, files, bytes, failed } = proof;
  return {
    proven: { time: new Date(time).toISOString(), files, bytes, failed },
  };
}

/** Returns the result of a snapshot's last drill, if any, in words. */
export function provenWords(proof: Proof | undefined): string | undefined {
  if (proof === undefined) return undefined;
  const date = formatDate(proof.time).slice(0, 10);
  return proof.failed > 0 ? `FAILED a drill ${date}` : `tested ${date}`;
}
