/** How usage is shown: tiles, two charts, their legend, and the same numbers as a table. */
import { Chart } from "./chart";
import { h, part, show } from "./dom";
import { count, duration, moment, money, shortCount, shortMoney } from "./format";
import { type Group, type Totals, type Usage, sum } from "./usage";

export class UsageView {
  private readonly predictions = new Chart(part("chart-predictions"));
  private readonly cost = new Chart(part("chart-cost"));

  /** Shows what was used; null says that the key may not know. */
  show(usage: Usage | null): void {
    if (!usage) return show(part("tiles"), tile("Usage", "–", "This key may not read usage (USAGE_READ)."));
    const { starts, groups, totals, hourly } = usage;
    show(part("tiles"), ...tiles(totals));
    part("cost-title").textContent = `Cost, ${totals.cost.currency}`;
    const series = (of: "predictions" | "cost") => groups.map((group) => ({ name: group.name, values: group[of] }));
    this.predictions.show(starts, series("predictions"), { hourly, format: shortCount });
    this.cost.show(starts, series("cost"), { hourly, format: shortMoney });
    show(part("legend"), ...groups.map(entry));
    show(part("numbers"), ...table(usage));
  }
}

function tiles(totals: Totals): HTMLElement[] {
  const predictions = Number(totals.predictions);
  const others = totals.otherCosts.map(money).join(" + ");
  const unpriced = Number(totals.unpriced) ? `${count(Number(totals.unpriced))} without a price` : "";
  return [
    tile("Predictions", count(predictions), `${count(Number(totals.cached))} from the cache`),
    tile("Failed", count(Number(totals.failed)), predictions ? percent(Number(totals.failed) / predictions) : ""),
    tile("Cost", money(totals.cost), [others, unpriced].filter(Boolean).join(" · ")),
    tile("Tokens", shortCount(Number(totals.inputTokens) + Number(totals.outputTokens)), `${shortCount(Number(totals.outputTokens))} written`),
    tile("Latency, median", duration(totals.latencyP50Ms), `95 %: ${duration(totals.latencyP95Ms)} · 99 %: ${duration(totals.latencyP99Ms)}`),
  ];
}

function tile(name: string, value: string, more: string): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, more)));
}

function entry(group: Group, number: number): HTMLElement {
  return h("li", {}, h("i", { class: `series-${number}` }), group.name, h("b", {}, count(sum(group.predictions))));
}

function table({ starts, groups, hourly }: Usage): HTMLElement[] {
  const cells = (place: number) => groups.map((group) => h("td", {}, count(group.predictions[place] ?? 0)));
  return [
    h("caption", {}, "Predictions, in UTC"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "From"), ...groups.map(({ name }) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...starts.map((start, place) => h("tr", {}, h("th", { scope: "row" }, moment(start, hourly)), ...cells(place)))),
  ];
}

const percent = (share: number): string =>
  new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 }).format(share);
