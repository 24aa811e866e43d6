/**
 * Markup with `style="…"` attributes, set in a way a strict policy allows.
 *
 * Monaco builds its lines as strings with `style` attributes, which `style-src` without 'unsafe-inline'
 * ignores. Styles set from a script (CSSOM) are allowed: so the attribute travels under another name and is
 * applied in the same turn, before anything is measured or painted. Only the places build/monaco.mjs
 * rewrites come here; markup from anywhere else stays under the policy.
 */

const CARRIER = "data-style";

/** Monaco wraps its strings in TrustedHTML where the browser has it. */
type Markup = { toString(): string };

/** Renames `style` inside tags only: Monaco escapes `<` in text, so text never looks like a tag. */
function carried(html: Markup): string {
  return String(html).replace(/<[^<>]*>/g, (tag) => tag.replace(/\sstyle="/, ` ${CARRIER}="`));
}

function applyStyles(root: Element): void {
  for (const element of root.querySelectorAll<HTMLElement>(`[${CARRIER}]`)) {
    element.style.cssText = element.getAttribute(CARRIER) ?? "";
    element.removeAttribute(CARRIER);
  }
}

/** `element.innerHTML = html`. */
export function setMarkup(element: Element, html: Markup): void {
  element.innerHTML = carried(html);
  applyStyles(element);
}

/** `sibling.insertAdjacentHTML("afterend", html)`, for a sibling that has a parent. */
export function insertMarkupAfter(sibling: Element, html: Markup): void {
  sibling.insertAdjacentHTML("afterend", carried(html));
  applyStyles(sibling.parentElement!);
}
