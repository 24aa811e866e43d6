/** Usage: asks for buckets page by page, and puts them into a grid of intervals and groups. */
import type { Api } from "./api";
import type { Money } from "./format";

const USAGE = `query ConsoleUsage(
  $range: DateTimeRangeInput!, $interval: UsageInterval!, $groupBy: [UsageDimension!]!, $after: String
) {
  usage(range: $range, interval: $interval, groupBy: $groupBy, first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      start model { displayName } apiKey { name prefix }
      totals { predictions failed cost { amount currency } }
    }
  }
}`;
const TOTALS = `query ConsoleTotals($range: DateTimeRangeInput!) {
  usage(range: $range, interval: MONTH, first: 0) {
    totals {
      predictions failed cached unpriced inputTokens outputTokens
      cost { amount currency } otherCosts { amount currency } latencyP50Ms latencyP95Ms latencyP99Ms
    }
  }
}`;
const HOUR = 3600;
const DAY = 24 * HOUR;
const MOST_GROUPS = 6;

export type Split = "" | "MODEL" | "API_KEY";

/** How far back, and how long a bucket is. */
export interface Span {
  name: string;
  buckets: number;
  hourly: boolean;
}

export const SPANS: Record<string, Span> = {
  day: { name: "24 hours", buckets: 24, hourly: true },
  week: { name: "7 days", buckets: 7, hourly: false },
  month: { name: "30 days", buckets: 30, hourly: false },
  quarter: { name: "90 days", buckets: 90, hourly: false },
};

export interface Totals {
  predictions: string;
  failed: string;
  cached: string;
  unpriced: string;
  inputTokens: string;
  outputTokens: string;
  cost: Money;
  otherCosts: Money[];
  latencyP50Ms: number | null;
  latencyP95Ms: number | null;
  latencyP99Ms: number | null;
}

interface Bucket {
  start: string;
  model: { displayName: string } | null;
  apiKey: { name: string; prefix: string } | null;
  totals: { predictions: string; failed: string; cost: Money };
}

interface Page {
  usage: { pageInfo: { hasNextPage: boolean; endCursor: string | null }; nodes: Bucket[] } | null;
}

/** One line of the charts: its values are by interval, in the order of `Usage.starts`. */
export interface Group {
  name: string;
  predictions: number[];
  cost: number[];
}

export interface Usage {
  /** Seconds since 1970. */
  starts: number[];
  groups: Group[];
  totals: Totals;
  hourly: boolean;
}

/** What was used up to now; null where the key may not know. */
export async function readUsage(api: Api, span: Span, split: Split, now: number): Promise<Usage | null> {
  const step = span.hourly ? HOUR : DAY;
  const last = Math.floor(now / step) * step;
  const starts = Array.from({ length: span.buckets }, (_, number) => last - (span.buckets - 1 - number) * step);
  const range = { gte: stamp(starts[0] ?? last), lt: stamp(last + step) };
  const [summed, buckets] = await Promise.all([
    api.ask<{ usage: { totals: Totals } | null }>(TOTALS, { range }),
    readBuckets(api, { range, interval: span.hourly ? "HOUR" : "DAY", groupBy: split ? [split] : [] }),
  ]);
  if (!summed.usage || !buckets) return null;
  return { starts, groups: grouped(buckets, starts, split), totals: summed.usage.totals, hourly: span.hourly };
}

async function readBuckets(api: Api, question: Record<string, unknown>): Promise<Bucket[] | null> {
  const found: Bucket[] = [];
  let after: string | null = null;
  do {
    const { usage }: Page = await api.ask<Page>(USAGE, { ...question, after });
    if (!usage) return null;
    found.push(...usage.nodes);
    after = usage.pageInfo.hasNextPage ? usage.pageInfo.endCursor : null;
  } while (after);
  return found;
}

/** The largest groups, each by its name, and the rest of them together. */
function grouped(buckets: Bucket[], starts: number[], split: Split): Group[] {
  const groups = new Map<string, Group>();
  const places = new Map(starts.map((start, place) => [start, place]));
  for (const bucket of buckets) {
    const place = places.get(Date.parse(bucket.start) / 1000);
    if (place === undefined) continue;
    const group = of(groups, nameOf(bucket, split), starts.length);
    group.predictions[place]! += Number(bucket.totals.predictions);
    group.cost[place]! += Number(bucket.totals.cost.amount);
  }
  const sorted = [...groups.values()].sort((a, b) => sum(b.predictions) - sum(a.predictions));
  if (sorted.length <= MOST_GROUPS) return sorted;
  const rest = of(new Map(), "Others", starts.length);
  for (const group of sorted.splice(MOST_GROUPS - 1)) {
    group.predictions.forEach((value, place) => (rest.predictions[place]! += value));
    group.cost.forEach((value, place) => (rest.cost[place]! += value));
  }
  return [...sorted, rest];
}

function of(groups: Map<string, Group>, name: string, length: number): Group {
  let group = groups.get(name);
  if (!group) {
    const zeros = () => new Array<number>(length).fill(0);
    groups.set(name, (group = { name, predictions: zeros(), cost: zeros() }));
  }
  return group;
}

function nameOf({ model, apiKey }: Bucket, split: Split): string {
  if (split === "MODEL") return model?.displayName ?? "A model that is gone";
  if (split === "API_KEY") return apiKey ? `${apiKey.name} (${apiKey.prefix}…)` : "Without a key";
  return "All";
}

export const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString();
