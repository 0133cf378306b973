// Entries that were erased: proven to have stood in the log, with the record that says when and why. What they were, and about
// whom, nobody can prove any more. May never happen here: an entry that is missing and has no record.

import { parseCanonical } from "../canonical.mjs";
import { timeOf } from "../evidence.mjs";
import { leafHash, verifyInclusion } from "../merkle.mjs";
import { breathe } from "../pace.mjs";
import { Refusal, require } from "../refusal.mjs";
import { ERASURE_DOMAIN } from "./epochs.mjs";
import { objectsOf } from "./file.mjs";

const MAX_ERASURE_BYTES = 512;
const KINDS = ["event", "evidence", "finding"];
const REASONS = ["request", "retention", "order", "mistake"];

/**
 * [{entry, kind, reason, at (ms)}] of what was erased. Refuses NON_CANONICAL, PROOF_INVALID, ERASURE_UNRECORDED,
 * SUPERFLUOUS, ERASURE_FORMAT.
 */
export async function verifyErased(bundle, { size, root }) {
  const records = recordsOf(bundle);
  const held = new Set(bundle.objects.map(({ entry }) => entry));
  const gone = [];
  let last = -1;
  for (const { digest, entry, path } of bundle.erased) {
    const where = `entry ${entry}`;
    const placed = entry > last && !held.has(entry);
    require(placed, "NON_CANONICAL", "erased entries are not in their order, or are here too", where);
    last = entry;
    await verifyInclusion({ leaf: await leafHash(digest), index: BigInt(entry), size, path, root });
    const record = records.get(entry);
    records.delete(entry);
    const recorded = record !== undefined && record.recordedIn > entry;
    require(recorded, "ERASURE_UNRECORDED", "no record of the log says that it was erased", where);
    gone.push(record);
    await breathe();
  }
  require(records.size === 0, "SUPERFLUOUS", "the record of an erasure is about nothing here");
  return gone;
}

function recordsOf(bundle) {
  const records = new Map();
  for (const found of objectsOf(bundle, ERASURE_DOMAIN)) {
    const record = readErasure(found);
    require(!records.has(record.entry), "SUPERFLUOUS", "one erasure is recorded twice", `entry ${found.entry}`);
    records.set(record.entry, record);
  }
  return records;
}

function readErasure({ canonical, entry: recordedIn }) {
  const value = parseCanonical(canonical, MAX_ERASURE_BYTES);
  const keys = typeof value === "object" && value !== null ? Object.keys(value).sort().join() : "";
  const whole = keys === "at,entry,kind,reason" && Number.isSafeInteger(value.entry) && value.entry >= 0;
  if (!whole || !KINDS.includes(value.kind) || !REASONS.includes(value.reason)) {
    throw new Refusal("ERASURE_FORMAT", "no record of an erasure", `entry ${recordedIn}`);
  }
  return { entry: value.entry, kind: value.kind, reason: value.reason, at: timeOf(value.at, "EVIDENCE_FIELD"), recordedIn };
}
