/** The models and their health. */
import type { Api } from "./api";
import { h, show } from "./dom";

const MODELS = `query ConsoleModels {
  models(first: 100, orderBy: { field: NAME, direction: ASC }) {
    totalCount
    nodes {
      id name displayName task status
      defaultVersion { version status statusReason backend }
    }
  }
}`;

interface Model {
  id: string;
  name: string;
  displayName: string;
  task: string;
  status: string;
  defaultVersion: { version: string; status: string; statusReason: string | null; backend: string } | null;
}

interface Models {
  models: { totalCount: number; nodes: Model[] } | null;
}

export async function showModels(api: Api, list: HTMLElement): Promise<void> {
  const { models } = await api.ask<Models>(MODELS);
  if (!models) return show(list, h("li", { class: "empty" }, "This key may not read models (MODELS_READ)."));
  const rows = models.nodes.map(row);
  const rest = models.totalCount - rows.length;
  if (rest > 0) rows.push(h("li", { class: "empty" }, `and ${rest} more`));
  show(list, ...(rows.length ? rows : [h("li", { class: "empty" }, "No models yet: foretell models apply FILE.")]));
}

function row(model: Model): HTMLElement {
  const version = model.defaultVersion;
  const about = [model.task.toLowerCase().replaceAll("_", " "), version && `version ${version.version}`, version?.backend];
  return h(
    "li",
    {},
    h("div", { class: "grow" }, h("strong", {}, model.displayName), h("span", { class: "quiet" }, model.name)),
    h("span", { class: "quiet" }, about.filter(Boolean).join(" · ")),
    status(model.status),
    ...(version?.statusReason ? [h("p", { class: "reason" }, version.statusReason)] : []),
  );
}

/** A status in words, and in a colour for those who see it. */
export function status(value: string): HTMLElement {
  return h("span", { class: `status status-${value.toLowerCase()}` }, value.toLowerCase());
}
