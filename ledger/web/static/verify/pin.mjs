// Which trust root this reader expects: the one in the address they scanned, and the one this browser remembers of this
// site. May never happen here: an address that overrides what is remembered, or a change that is accepted unseen.

import { Refusal } from "./refusal.mjs";
import { readFingerprint } from "./trust_root.mjs";

const KEPT = "pledgetrail-trust-root";
const ADDRESS = /^#(?:.*&)?root=([^&]*)/;

/** The fingerprint in an address' fragment; null without one. A malformed one is refused: it was meant to say something. */
export function addressed(fragment) {
  const match = ADDRESS.exec(fragment);
  if (match === null) return null;
  const found = readFingerprint(match[1]);
  if (found === null) throw new Refusal("TRUST_ROOT_ADDRESS", "the address names a trust root that is none");
  return found;
}

/** The fingerprint this browser remembers of this site; null where there is none, or nothing may be kept. */
export function remembered() {
  try {
    return readFingerprint(localStorage.getItem(KEPT) ?? "");
  } catch {
    return null;
  }
}

/** Remember a fingerprint for the next visit, where this browser keeps anything; returns whether it does. */
export function remember(fingerprint) {
  try {
    localStorage.setItem(KEPT, fingerprint);
    return true;
  } catch {
    return false;
  }
}

/** Refuse TRUST_ROOT_ADDRESS, TRUST_ROOT_CHANGED: `fingerprint` is not the expected one. Whether one was expected. */
export function accept(fingerprint, { fragment, kept }) {
  const printed = addressed(fragment);
  if (printed !== null && printed !== fingerprint) {
    throw new Refusal("TRUST_ROOT_ADDRESS", "the scanned address names another trust root", printed);
  }
  if (kept !== null && kept !== fingerprint) {
    throw new Refusal("TRUST_ROOT_CHANGED", "this browser remembers another trust root", kept);
  }
  return printed !== null || kept !== null;
}
