/** Jobs: those that run are followed by a subscription each, so that their bars move as items end. */
import type { Api } from "./api";
import { h, show } from "./dom";
import { count, remaining } from "./format";
import { status } from "./models";

const FIELDS = `
  id name status statusReason itemsPerSecond etaSeconds
  counts { total succeeded failed canceled } model { displayName }
`;
const JOBS = `query ConsoleJobs { jobs(first: 10) { nodes { ${FIELDS} } } }`;
const PROGRESS = `subscription ConsoleProgress($id: ID!) { jobProgress(id: $id, minIntervalMs: 250) { ${FIELDS} } }`;
const ENDED = new Set(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]);
const MOST_FOLLOWED = 10;

interface Job {
  id: string;
  name: string | null;
  status: string;
  statusReason: string | null;
  itemsPerSecond: number | null;
  etaSeconds: number | null;
  counts: { total: number; succeeded: number; failed: number; canceled: number };
  model: { displayName: string } | null;
}

/** The newest jobs of one key, as they are now. */
export class Jobs {
  private jobs = new Map<string, Job>();
  private stops = new Map<string, () => void>();

  constructor(
    private readonly api: Api,
    private readonly list: HTMLElement,
  ) {}

  async refresh(): Promise<void> {
    const { jobs } = await this.api.ask<{ jobs: { nodes: Job[] } | null }>(JOBS);
    if (!jobs) return show(this.list, h("li", { class: "empty" }, "This key may not read jobs (JOBS_READ)."));
    this.jobs = new Map(jobs.nodes.map((job) => [job.id, job]));
    for (const job of jobs.nodes) if (!ENDED.has(job.status)) this.follow(job.id);
    this.show();
  }

  dispose(): void {
    for (const stop of this.stops.values()) stop();
    this.stops.clear();
  }

  private follow(id: string): void {
    if (this.stops.has(id) || this.stops.size >= MOST_FOLLOWED) return;
    const stop = this.api.follow<{ jobProgress: Job }>(PROGRESS, { id }, ({ jobProgress: job }) => {
      this.jobs.set(job.id, job);
      if (ENDED.has(job.status)) this.stops.delete(job.id);
      this.show();
    });
    this.stops.set(id, stop);
  }

  private show(): void {
    const rows = [...this.jobs.values()].map(row);
    const none = h("li", { class: "empty" }, "No jobs yet: submitBatch makes one.");
    show(this.list, ...(rows.length ? rows : [none]));
  }
}

function row(job: Job): HTMLElement {
  const { total, succeeded, failed, canceled } = job.counts;
  const name = job.name ?? job.model?.displayName ?? "Job";
  const facts = [
    `${count(succeeded)} of ${count(total)} succeeded`,
    failed > 0 && `${count(failed)} failed`,
    canceled > 0 && `${count(canceled)} canceled`,
    job.itemsPerSecond !== null && `${count(Math.round(job.itemsPerSecond))} a second`,
    job.etaSeconds !== null && `${remaining(job.etaSeconds)} left`,
  ];
  return h(
    "li",
    {},
    h("div", { class: "grow" }, h("strong", {}, name), h("span", { class: "quiet" }, job.name ? (job.model?.displayName ?? "") : "")),
    h("span", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
    status(job.status),
    h("progress", { max: 1, value: (succeeded + failed) / total, "aria-label": `Progress of ${name}` }),
    ...(job.statusReason ? [h("p", { class: "reason" }, job.statusReason)] : []),
  );
}
