/** Numbers and times as people read them, in their own language. */

const WHOLE = new Intl.NumberFormat();
const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

export interface Money {
  amount: string;
  currency: string;
}

export const count = (value: number): string => WHOLE.format(value);

export const shortCount = (value: number): string => SHORT.format(value);

/** An exact amount as it came, all its digits kept. */
export const money = ({ amount, currency }: Money): string => `${amount} ${currency}`;

/** An amount on an axis, where a few digits do. */
export const shortMoney = (value: number): string => (value === 0 ? "0" : value.toPrecision(2).replace(/\.?0+(?=e|$)/, ""));

export function duration(milliseconds: number | null): string {
  if (milliseconds === null) return "–";
  if (milliseconds >= 1000) return `${SHORT.format(milliseconds / 1000)} s`;
  return `${milliseconds >= 100 ? Math.round(milliseconds) : milliseconds.toPrecision(2)} ms`;
}

/** How long from now: `40 s`, `12 min`, `3 h`. */
export function remaining(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${SHORT.format(seconds / 3600)} h`;
}

/** The start of a bucket, in UTC as buckets are. */
export const moment = (seconds: number, hourly: boolean): string =>
  (hourly ? HOUR : DAY).format(new Date(seconds * 1000));
