// What the log says of an entry that was erased: which, of what kind, when and why. What it held, nobody can prove any more.

import { parseCanonical } from "./canonical.mjs";
import { timeOf } from "./evidence.mjs";
import { require } from "./refusal.mjs";

export const ERASURE_DOMAIN = "pledgetrail/erasure/v1/json";

const MAX_ERASURE_BYTES = 512;
const KINDS = ["event", "evidence", "finding"];
const REASONS = ["request", "retention", "order", "mistake"];

/** {entry, kind, reason, at (ms), recordedIn} of an erasure's record. Refuses ERASURE_FORMAT, NON_CANONICAL, EVIDENCE_FIELD. */
export function readErasure({ canonical, entry: recordedIn }) {
  const value = parseCanonical(canonical, MAX_ERASURE_BYTES);
  const keys = typeof value === "object" && value !== null ? Object.keys(value).sort().join() : "";
  const placed = keys === "at,entry,kind,reason" && Number.isSafeInteger(value.entry) && value.entry >= 0;
  const whole = placed && KINDS.includes(value.kind) && REASONS.includes(value.reason);
  require(whole, "ERASURE_FORMAT", "no record of an erasure", `entry ${recordedIn}`);
  return { entry: value.entry, kind: value.kind, reason: value.reason, at: timeOf(value.at, "EVIDENCE_FIELD"), recordedIn };
}
