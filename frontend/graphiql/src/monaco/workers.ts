/** Tells Monaco which of our own files to start as workers: nothing from a blob or another host. */

const url = (label: string) =>
  new URL(label === "graphql" || label === "json" ? WORKERS[label] : WORKERS.editor, import.meta.url);

Object.assign(globalThis, {
  MonacoEnvironment: {
    getWorker: (_id: string, label: string) => new Worker(url(label), { name: label }),
  },
});
