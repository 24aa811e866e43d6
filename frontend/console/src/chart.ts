/** A chart of stacked bars, drawn by uPlot in the colours of the style sheet. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { moment } from "./format";

const HEIGHT = 190;
const BARS = uPlot.paths.bars!({ size: [0.7, 40], radius: 0.15 });

export interface Series {
  name: string;
  values: number[];
}

interface Look {
  /** Whether the starts of the bars are hours of a day. */
  hourly: boolean;
  format(value: number): string;
}

export class Chart {
  private plot: uPlot | null = null;
  private last: [number[], Series[], Look] | null = null;

  constructor(private readonly place: HTMLElement) {
    new ResizeObserver(() => this.resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Shows values by start (seconds since 1970); the first series is at the bottom. */
  show(starts: number[], series: Series[], look: Look): void {
    const drawn = JSON.stringify([starts, series]);
    if (this.last && drawn === JSON.stringify(this.last.slice(0, 2))) return;
    this.last = [starts, series, look];
    this.redraw();
  }

  private redraw(): void {
    this.plot?.destroy();
    this.plot = null;
    if (!this.last) return;
    const [starts, series, look] = this.last;
    const tops = stacked(series);
    // The tallest is drawn first, so that each of the others covers its lower part.
    const order = series.map((_, number) => number).reverse();
    const data = [starts.map((_, place) => place), ...order.map((number) => tops[number]!)];
    const options = this.options(starts, order, look);
    this.plot = new uPlot(options, data as uPlot.AlignedData, this.place);
  }

  private options(starts: number[], order: number[], { hourly, format }: Look): uPlot.Options {
    const axis = { stroke: colour("quiet", "color"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const label = (place: number) => (Number.isInteger(place) && place in starts ? moment(starts[place]!, hourly) : "");
    return {
      width: this.place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: [-0.6, starts.length - 0.4] },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
      },
      axes: [
        { ...axis, grid: { show: false }, values: (_, places) => places.map(label), space: 56, size: 30 },
        { ...axis, values: (_, values) => values.map(format), size: (_, labels) => widthOf(labels) },
      ],
      series: [{}, ...order.map((number) => ({ paths: BARS, fill: colour(`series-${number}`), width: 0, points: { show: false } }))],
    };
  }

  private resize(): void {
    if (this.plot && this.place.clientWidth) this.plot.setSize({ width: this.place.clientWidth, height: HEIGHT });
  }
}

/** The room for labels of this length, in pixels of a font of 12. */
const widthOf = (labels: string[] | null): number =>
  Math.max(56, 20 + 7.5 * Math.max(0, ...(labels ?? []).map((label) => label.length)));

/** The top of each series when it stands on those before it. */
function stacked(series: Series[]): number[][] {
  const tops: number[][] = [];
  for (const { values } of series) {
    const below = tops.at(-1);
    tops.push(values.map((value, place) => value + (below?.[place] ?? 0)));
  }
  return tops;
}

/** The colour that a class has now: an element resolves `light-dark()`, which a canvas does not know. */
function colour(name: string, property: "color" | "backgroundColor" = "backgroundColor"): string {
  const sample = document.createElement("i");
  sample.className = name;
  document.body.append(sample);
  const found = getComputedStyle(sample)[property];
  sample.remove();
  return found;
}
