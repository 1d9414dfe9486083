import type { Row } from "../repository/bars.ts";

/** A figure of a step. Smaller values are better. */
interface Figure {
  /** The name of the figure, which is shown after the name of the step. */
  name: string;
  /**
   * Called with a row. Returns the value, or `undefined` if the row has no
   * value.
   */
  of: (row: Row) => number | undefined;
  /** Called with a value. Returns the value with its unit. */
  show: (value: number) => string;
}

/** Returns a number of seconds as text, with the unit. */
export function seconds(value: number): string {
  return `${value < 1 ? value.toFixed(2) : value.toFixed(1)} s`;
}

/** Returns a number of bytes as text, in KB or MB. */
export function bytes(value: number): string {
  return Math.abs(value) < 1e6
    ? `${(value / 1e3).toFixed(Math.abs(value) < 1e4 ? 1 : 0)} KB`
    : `${(value / 1e6).toFixed(Math.abs(value) < 1e7 ? 1 : 0)} MB`;
}

const FIGURES: Figure[] = [
  { name: "time", of: (row) => row.seconds, show: seconds },
  { name: "added", of: (row) => row.bytes, show: bytes },
  {
    name: "memory",
    of: (row) => /first|restore/.test(row.step) ? row.memory : undefined,
    show: bytes,
  },
];

/** A row of a table: a figure of a step, for all programs. */
interface Line {
  workload: string;
  step: string;
  figure: Figure;
  /** The values, by the names of the programs. */
  values: Map<string, number>;
}

/** Returns the figures of all measured steps, in the order of the rows. */
function linesOf(rows: readonly Row[]): Line[] {
  const lines = new Map<string, Line>();
  for (const row of rows) {
    const { workload, step, peer } = row;
    for (const figure of FIGURES) {
      const value = figure.of(row);
      if (value === undefined) continue;
      const key = `${workload}/${step}/${figure.name}`;
      const line = lines.get(key);
      if (line !== undefined) line.values.set(peer, value);
      else {
        const values = new Map([[peer, value]]);
        lines.set(key, { workload, step, figure, values });
      }
    }
  }
  return [...lines.values()];
}

/**
 * Returns a Markdown table of the figures of a workload, with a column for each
 * program. The best figures of a row are bold. A figure of deltar that is not
 * bold is followed by its ratio to the best figure.
 */
export function workloadTable(rows: readonly Row[]): string[] {
  const peers = [...new Set(rows.map(({ peer }) => peer))];
  const lines = linesOf(rows).map(({ step, figure, values }) => {
    const best = Math.min(...values.values());
    const cells = peers.map((peer) => {
      const value = values.get(peer);
      if (value === undefined) return "";
      const shown = figure.show(value);
      if (peers.length === 1) return shown;
      if (shown === figure.show(best)) return `**${shown}**`;
      return peer === "deltar" ? `${shown}${ratio(value, best)}` : shown;
    });
    return `| ${step}, ${figure.name} | ${cells.join(" | ")} |`;
  });
  return [
    `| | ${peers.join(" | ")} |`,
    `| --- |${" --- |".repeat(peers.length)}`,
    ...lines,
  ];
}

function ratio(value: number, best: number): string {
  if (best <= 0) return "";
  const times = value / best;
  return ` (×${times < 10 ? times.toPrecision(3) : times.toFixed(0)})`;
}

/**
 * Returns a Markdown table of the figures in which another program is better
 * than deltar. Each row lists the better programs, the best one first.
 */
export function lossesTable(rows: readonly Row[]): string[] {
  const lines = linesOf(rows).flatMap(({ workload, step, figure, values }) => {
    const { show, name } = figure;
    const ours = values.get("deltar");
    if (ours === undefined) return [];
    const better = [...values]
      .filter(([, value]) => value < ours && show(value) !== show(ours))
      .sort(([, one], [, other]) => one - other)
      .map(([peer, value]) => `${peer} (${show(value)})`);
    return better.length === 0 ? [] : [
      `| ${workload} ${step}, ${name} | ${show(ours)} | ${better.join("; ")} |`,
    ];
  });
  return ["| | deltar | better |", "| --- | --- | --- |", ...lines];
}

/**
 * Returns a Markdown table that shows, for each other program, the number of
 * steps in which deltar is better. Figures that are printed alike count as
 * equal.
 */
export function scoresTable(rows: readonly Row[]): string[] {
  const lines = linesOf(rows);
  const peers = [...new Set(rows.map(({ peer }) => peer))]
    .filter((peer) => peer !== "deltar");
  const scores = peers.map((peer) => {
    const cells = FIGURES.map(({ name }) => {
      const both = lines.flatMap(({ figure, values }) => {
        const { show } = figure;
        const ours = values.get("deltar");
        const theirs = values.get(peer);
        return figure.name === name && ours !== undefined &&
            theirs !== undefined
          ? [ours < theirs && show(ours) !== show(theirs)]
          : [];
      });
      return `${both.filter((isBetter) => isBetter).length} of ${both.length}`;
    });
    return `| ${peer} | ${cells.join(" | ")} |`;
  });
  return [
    "| | faster in | fewer bytes in | less memory in |",
    "| --- | --- | --- | --- |",
    ...scores,
  ];
}
