// What this browser expects: the trust root in the address that was scanned, the one it remembers of this site, and the
// state of the log it saw last. May never happen here: an address that overrides what is remembered, a change of trust
// root that is accepted unseen, even one that was ordered, or a log that shows this reader one past today and another
// tomorrow.

import { fromHex, hexOf } from "./bytes.mjs";
import { verifyConsistency } from "./merkle.mjs";
import { Refusal, require } from "./refusal.mjs";
import { Rotated, followRotations, readOrderOfRotation } from "./rotation.mjs";
import { readFingerprint, readTrustRoot } from "./trust_root.mjs";

const KEPT = "pledgetrail-trust-root";
const SEEN = "pledgetrail-log";
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

/** The state of a log this browser saw last: {origin, size, root}; null where there is none. */
export function lastSeen() {
  try {
    const { origin, size, root } = JSON.parse(localStorage.getItem(SEEN));
    return { origin, size: BigInt(size), root: fromHex(root, "SEEN_FORMAT", 32) };
  } catch {
    return null; // nothing kept, or nothing that we wrote
  }
}

/** Remember the state of a log. */
export function saw({ origin, size, root }) {
  try {
    localStorage.setItem(SEEN, JSON.stringify({ origin, size: String(size), root: hexOf(root) }));
  } catch {
    // A browser that keeps nothing meets every log for the first time.
  }
}

/** Refuse LOG_SHRINKS, SPLIT_VIEW: the log does not go on from the state `seen`. `path`: its consistency proof. */
export async function verifyGoesOn(seen, checkpoint, path) {
  if (seen === null || seen.origin !== checkpoint.origin || seen.size === 0n) return;
  require(seen.size <= checkpoint.size, "LOG_SHRINKS", "the log is shorter than this browser has seen it");
  try {
    await verifyConsistency(seen, checkpoint, path);
  } catch (error) {
    throw error instanceof Refusal ? new Refusal("SPLIT_VIEW", error.what) : error;
  }
}

/**
 * Whether `root` was expected: by the address' `fragment`, or by what is `kept`. A later one than expected is followed:
 * throws `Rotated` where every rotation on the way was ordered, so that the reader can take it over.
 * Refuses TRUST_ROOT_ADDRESS, TRUST_ROOT_CHANGED (nothing leads there), and what `followRotations` refuses.
 */
export async function accept(root, { fragment, kept, rotations }) {
  const printed = addressed(fragment);
  const known = await readHeld(rotations);
  let from = null;
  const follow = async (expected, code, what) => {
    if (expected === null || expected === root.fingerprint) return;
    const way = known.get(expected);
    if (way === undefined) throw new Refusal(code, what, expected);
    await followRotations(way.held, root, way.orders);
    from = way.held;
  };
  await follow(printed, "TRUST_ROOT_ADDRESS", "the scanned address names another trust root");
  await follow(kept, "TRUST_ROOT_CHANGED", "this browser remembers another trust root");
  if (from !== null && kept !== root.fingerprint) throw new Rotated(from, root);
  return printed !== null || kept !== null;
}

/** What the server sent to lead here, by the fingerprint of where each begins: nobody can make another of the same. */
async function readHeld(rotations) {
  const known = new Map();
  for (const { from, orders } of rotations) {
    const held = await readTrustRoot(from);
    known.set(held.fingerprint, { held, orders: orders.map(readOrderOfRotation) });
  }
  return known;
}
