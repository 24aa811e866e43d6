/** The console: everything it shows comes from the public GraphQL API, with the key that GraphiQL keeps too. */
import { REFUSED, loadKey, storeKey, tooMany } from "../../graphiql/src/key";
import { type Api, ApiError, connect } from "./api";
import { Jobs } from "./jobs";
import { showModels } from "./models";
import { part } from "./dom";
import { SPANS, type Split, readUsage } from "./usage";
import { UsageView } from "./view";
import "./style.css";

const ENDPOINT = new URL("graphql", location.href);
const EVERY_MS = 5000;
const UNAUTHENTICATED = 401;
const TOO_MANY = 429;

const field = part<HTMLInputElement>("key-field");
const remember = part<HTMLInputElement>("key-remember");
const range = part<HTMLSelectElement>("range");
const split = part<HTMLSelectElement>("split");
const note = part("note");
const view = new UsageView();

let api: Api | null = null;
let jobs: Jobs | null = null;
let opened: string | null = null;
let asked = 0;
let underway = 0;
/** Until when the server wants no other try, in milliseconds since 1970. */
let quietUntil = 0;

/** Checks the key in the field, unless it is the one that was checked last: Enter is a change and a submit. */
function open(): void {
  const key = field.value.trim();
  if (key === opened) return;
  close();
  opened = key;
  api = key ? connect(ENDPOINT, key) : null;
  jobs = api && new Jobs(api, part("jobs"));
  tell("", "hint");
  void refresh();
}

/** Asks nothing any more, and shows nothing that a key has opened. */
function close(): void {
  jobs?.dispose();
  api?.dispose();
  api = jobs = null;
  document.body.classList.add("locked");
}

/**
 * Reads everything again; of answers that overtake each other the last one asked for counts. One query goes
 * first: a key that is refused costs its reader one of the wrong ones that the server bears, not four.
 */
async function refresh(): Promise<void> {
  if (!api || !jobs) return;
  const wait = Math.ceil((quietUntil - Date.now()) / 1000);
  if (wait > 0) return tell(tooMany(wait), "bad");
  const [current, currentJobs, turn] = [api, jobs, ++asked];
  const counts = () => turn === asked && current === api;
  const span = SPANS[range.value] ?? SPANS.day!;
  underway++;
  try {
    await showModels(current, part("models"));
    const [usage] = await Promise.all([
      readUsage(current, span, split.value as Split, Date.now() / 1000),
      currentJobs.refresh(),
    ]);
    if (!counts()) return;
    document.body.classList.remove("locked");
    view.show(usage);
    tell("Key accepted", "good");
  } catch (error) {
    if (counts()) explain(error as Error);
  } finally {
    underway--;
  }
}

function explain(error: Error): void {
  const { status, wait } = error instanceof ApiError ? error : { status: 0, wait: 0 };
  quietUntil = Date.now() + 1000 * wait;
  if (status === UNAUTHENTICATED) {
    close();
    tell(REFUSED, "bad");
  } else {
    tell(status === TOO_MANY ? tooMany(wait) : `The server does not answer: ${error.message}`, "bad");
  }
}

/** What happens again and again: not where nobody looks, and not before the last time has ended. */
function tick(): void {
  if (!document.hidden && !underway) void refresh();
}

function tell(text: string, tone: "good" | "bad" | "hint"): void {
  if (note.textContent !== text) note.textContent = text;
  note.className = `note ${tone}`;
}

function keep(): void {
  storeKey({ key: field.value.trim(), remember: remember.checked });
}

function commit(): void {
  keep();
  open();
}

range.append(...Object.entries(SPANS).map(([value, { name }]) => new Option(name, value)));
split.append(new Option("nothing", ""), new Option("model", "MODEL"), new Option("key", "API_KEY"));
split.value = "MODEL";
const kept = loadKey();
[field.value, remember.checked] = [kept.key, kept.remember];

part("key").addEventListener("submit", (event) => {
  event.preventDefault();
  commit();
});
field.addEventListener("change", commit);
field.addEventListener("input", (event) => {
  if ((event as InputEvent).inputType === "insertFromPaste") commit();
});
remember.addEventListener("change", keep);
for (const choice of [range, split]) choice.addEventListener("change", () => void refresh());
document.addEventListener("visibilitychange", tick);
setInterval(tick, EVERY_MS);
open();
