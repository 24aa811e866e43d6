/** The console: everything it shows comes from the public GraphQL API, with the key that GraphiQL keeps too. */
import { loadKey, storeKey } from "../../graphiql/src/key";
import { type Api, ApiError, connect } from "./api";
import { Jobs } from "./jobs";
import { showModels } from "./models";
import { part } from "./dom";
import { SPANS, type Split, readUsage } from "./usage";
import { UsageView } from "./view";
import "./style.css";

const ENDPOINT = new URL("graphql", location.href);
const EVERY_MS = 5000;
const REFUSED = "This key is not known, expired or revoked";

const field = part<HTMLInputElement>("key-field");
const remember = part<HTMLInputElement>("key-remember");
const range = part<HTMLSelectElement>("range");
const split = part<HTMLSelectElement>("split");
const note = part("note");
const view = new UsageView();

let api: Api | null = null;
let jobs: Jobs | null = null;
let asked = 0;

function open(): void {
  jobs?.dispose();
  api?.dispose();
  const key = field.value.trim();
  api = key ? connect(ENDPOINT, key) : null;
  jobs = api && new Jobs(api, part("jobs"));
  document.body.classList.toggle("locked", !api);
  tell("", "hint");
  void refresh();
}

/** Reads everything again; of answers that overtake each other the last one asked for counts. */
async function refresh(): Promise<void> {
  const [current, currentJobs, turn] = [api, jobs, ++asked];
  if (!current || !currentJobs) return;
  const span = SPANS[range.value] ?? SPANS.day!;
  try {
    const [usage] = await Promise.all([
      readUsage(current, span, split.value as Split, Date.now() / 1000),
      currentJobs.refresh(),
      showModels(current, part("models")),
    ]);
    if (turn !== asked) return;
    view.show(usage);
    tell("Key accepted", "good");
  } catch (error) {
    if (turn !== asked) return;
    const refused = error instanceof ApiError && error.code === "UNAUTHENTICATED";
    document.body.classList.toggle("locked", refused);
    tell(refused ? REFUSED : `The server does not answer: ${(error as Error).message}`, "bad");
  }
}

function tell(text: string, tone: "good" | "bad" | "hint"): void {
  if (note.textContent !== text) note.textContent = text;
  note.className = `note ${tone}`;
}

function commit(): void {
  const key = field.value.trim();
  storeKey({ key, remember: remember.checked });
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
remember.addEventListener("change", () => storeKey({ key: field.value.trim(), remember: remember.checked }));
for (const choice of [range, split]) choice.addEventListener("change", () => void refresh());
document.addEventListener("visibilitychange", () => void refresh());
setInterval(() => {
  if (!document.hidden) void refresh();
}, EVERY_MS);
open();
