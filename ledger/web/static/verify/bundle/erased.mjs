// Entries that were erased: proven to have stood in the log, with the record that says when and why. What they were, and about
// whom, nobody can prove any more. May never happen here: an entry that is missing and has no record.

import { ERASURE_DOMAIN, readErasure } from "../erasure.mjs";
import { leafHash, verifyInclusion } from "../merkle.mjs";
import { breathe } from "../pace.mjs";
import { require } from "../refusal.mjs";
import { objectsOf } from "./file.mjs";

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
