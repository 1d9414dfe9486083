/** A bar of a chart. */
export interface Bar {
  /** The name of the program. */
  name: string;
  /** The length in the chart's unit. */
  value: number;
}

const WIDTH_PX = 640;
const LABEL_PX = 130;
const FIGURE_PX = 90;
const ROW_PX = 24;

/**
 * Returns a chart of horizontal bars as SVG, the shortest bar first. The bar
 * named `deltar` has a different color. The chart can be read on light and dark
 * backgrounds.
 *
 * @param title The title of the chart.
 * @param bars The bars.
 * @param show Called for each bar, with its value. Returns the value with its
 * unit, as text.
 */
export function chart(
  title: string,
  bars: readonly Bar[],
  show: (value: number) => string,
): string {
  const sorted = bars.toSorted((left, right) => left.value - right.value);
  const longest = Math.max(...bars.map(({ value }) => value));
  const room = WIDTH_PX - LABEL_PX - FIGURE_PX;
  const rows = sorted.map(({ name, value }, at) => {
    const y = 40 + at * ROW_PX;
    const width = Math.max(1, room * value / longest).toFixed(1);
    const color = name === "deltar" ? "#1f9d61" : "#8b949e";
    return `<text x="${LABEL_PX - 8}" y="${y + 15}" text-anchor="end">${
      escape(name)
    }</text>
<rect x="${LABEL_PX}" y="${y + 3}" width="${width}" height="${
      ROW_PX - 6
    }" rx="2" fill="${color}"/>
<text x="${LABEL_PX + Number(width) + 6}" y="${y + 15}">${
      escape(show(value))
    }</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH_PX}" height="${
    50 + bars.length * ROW_PX
  }" font-family="system-ui, sans-serif" font-size="13" fill="#7d8590">
<text x="8" y="22" font-size="15" font-weight="600">${escape(title)}</text>
${rows.join("\n")}
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
