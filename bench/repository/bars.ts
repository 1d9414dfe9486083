/**
 * The figures of a program in a step of a workload: those of one round, or the
 * medians of all rounds.
 */
export interface Row {
  /** The name of the workload. */
  workload: string;
  /** The name of the step. */
  step: string;
  /** The name of the program. */
  peer: string;
  /** The wall-clock time in seconds. */
  seconds: number;
  /** The processor time in seconds. */
  cpu: number;
  /** The maximum resident memory of one process, in bytes. */
  memory: number;
  /** The number of bytes by which the repository grew. Absent for a restore. */
  bytes?: number;
}

/** A target of deltar. */
export interface Bar {
  /** The figure, in words. */
  what: string;
  /**
   * The measured value: seconds, bytes or a ratio, as `what` says. The target
   * is met if the value is at most `limit`.
   */
  value: number;
  /** The limit, in the unit of `value`. */
  limit: number;
}

/** Returns the targets for which all figures were measured. */
export function barsOf(rows: readonly Row[]): Bar[] {
  const row = (workload: string, step: string, peer: string) =>
    rows.find((one) =>
      one.workload === workload && one.step === step && one.peer === peer
    );
  const bars: Bar[] = [];
  const compare = (
    workload: string,
    step: string,
    field: "seconds" | "bytes",
    limits: Record<string, number>,
  ) => {
    const ours = row(workload, step, "deltar")?.[field];
    for (const [peer, limit] of Object.entries(limits)) {
      const theirs = row(workload, step, peer)?.[field];
      if (ours === undefined || theirs === undefined) continue;
      const what = `${workload} ${step}: ${field} / ${peer}'s`;
      bars.push({ what, value: ours / theirs, limit });
    }
  };
  const most = (
    workload: string,
    step: string,
    field: "seconds" | "bytes",
    limit: number,
  ) => {
    const value = row(workload, step, "deltar")?.[field];
    if (value === undefined) return;
    bars.push({ what: `${workload} ${step}: ${field}`, value, limit });
  };
  compare("tree", "first", "seconds", { restic: 0.65, "tar, zstd -3": 1.5 });
  compare("tree", "first", "bytes", { "tar, zstd -3": 1.05 });
  compare("tree", "changed", "seconds", { restic: 0.4 });
  compare("tree", "changed", "bytes", { duplicity: 1 });
  compare("tree", "unchanged", "seconds", { "shadow git": 1.5 });
  most("tree", "unchanged", "bytes", 1024);
  compare("tree", "restore", "seconds", { restic: 1 });
  most("tree", "one file", "seconds", 0.3);
  const all = { restic: 1, borg: 1, duplicity: 1 };
  compare("scatter", "second", "seconds", { ...all, "rdiff-backup": 1 });
  compare("scatter", "second", "bytes", { restic: 0.01, duplicity: 0.5 });
  compare("db", "second", "seconds", all);
  compare("db", "second", "bytes", { duplicity: 1 });
  compare("db", "VACUUM", "seconds", all);
  compare("db", "VACUUM", "bytes", { duplicity: 1 });
  compare("manyupdates", "each", "bytes", { duplicity: 1.2 });
  const borg = row("manyupdates", "each", "borg")?.seconds ?? 0;
  most("manyupdates", "each", "seconds", Math.max(0.15, borg / 2));
  for (const what of ["snapshot", "restore"]) {
    const early = row("history", `${what}, early`, "deltar");
    const late = row("history", `${what}, late`, "deltar");
    if (early === undefined || late === undefined) continue;
    bars.push({
      what: `history: ${what}, late / early`,
      value: late.seconds / early.seconds,
      limit: 1.5,
    });
  }
  return bars;
}
