/**
 * The page's nonce for `<style>` elements.
 *
 * Monaco writes its theme and its measured sizes into `<style>` elements, and the dialog locks the page's
 * scrolling with one. Under `style-src 'self'` the browser drops them unless they carry the nonce of the
 * response, which the server puts into `<meta name="csp-nonce">`.
 */
import { setNonce } from "get-nonce";

const NONCE = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.nonce ?? "";

setNonce(NONCE);

/** A new `<style>` element the policy lets in. */
export function createStyle(): HTMLStyleElement {
  const style = document.createElement("style");
  style.nonce = NONCE;
  return style;
}
