/** Building the page: elements with text, never with markup, so that no name can become code. */

type Child = Node | string;

/** Makes an element; a property in `properties` is set as an attribute unless it is false or null. */
export function h(
  tag: string,
  properties: Record<string, string | number | boolean | null> = {},
  ...children: Child[]
): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** The element of the page with this id. Throws if there is none, which is a mistake in index.html. */
export function part<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} in the page`);
  return found as T;
}

/** Replaces what an element holds, but only if it changes: a reader's place in it stays. */
export function show(element: HTMLElement, ...children: Child[]): void {
  const next = document.createElement("div");
  next.append(...children);
  if (element.innerHTML !== next.innerHTML) element.replaceChildren(...next.childNodes);
}
