/**
 * The API key: kept for the tab, or for the browser when the reader asks for it; never in the address.
 */
const NAME = "foretell:api-key";

export interface KeyChoice {
  /** Empty: no key. */
  key: string;
  /** Whether it outlives the tab. */
  remember: boolean;
}

/** What an earlier page of this tab, or a remembered one, left. Storage may be switched off: then nothing. */
export function loadKey(): KeyChoice {
  try {
    const kept = localStorage.getItem(NAME);
    return { key: kept ?? sessionStorage.getItem(NAME) ?? "", remember: kept !== null };
  } catch {
    return { key: "", remember: false };
  }
}

/** Keeps the key in the one place chosen and removes it from the other; an empty one from both. */
export function storeKey({ key, remember }: KeyChoice): void {
  try {
    sessionStorage.removeItem(NAME);
    localStorage.removeItem(NAME);
    if (key) (remember ? localStorage : sessionStorage).setItem(NAME, key);
  } catch {
    // Without storage the key lives as long as the page.
  }
}

/** What a server says of a key, or of waiting, in words for both pages. */
export const REFUSED = "This key is not known, expired or revoked";
export const tooMany = (seconds: number): string => `Too many tries: wait ${seconds ? `${seconds} s` : "a while"}`;

/** The whole seconds for which a server wants no other try; 0 where it does not say. */
export const waitOf = (response: Response): number => Math.ceil(Number(response.headers.get("Retry-After"))) || 0;

/** The header a request carries, and the payload of a WebSocket's `connection_init`. */
export function credentials(key: string): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {};
}
