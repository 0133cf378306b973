// Whose word counts in a bundle: the pinned epoch's by itself, a past epoch's where the pinned one has sealed it.
// May never happen here: counting a past epoch's signature on its own. Retired keys may be anybody's by now.

import { fromHex, hexOf, same, sha256 } from "../bytes.mjs";
import { parseCanonical } from "../canonical.mjs";
import { countCosigners, openCheckpoint, seenBy } from "../checkpoint.mjs";
import { ERASURE_DOMAIN } from "../erasure.mjs";
import { verifyConsistency } from "../merkle.mjs";
import { require } from "../refusal.mjs";
import { TRUST_ROOT_DOMAIN, epochsOf } from "../trust_root.mjs";
import { ORDER_DOMAIN } from "../word.mjs";
import { objectsOf } from "./file.mjs";

export const CROSSING_DOMAIN = "pledgetrail/crossing/v1/json";
export const CREDENTIAL_DOMAIN = "pledgetrail/credential/v1/json";

const MAX_CROSSING_BYTES = 1024;
const LATER = [CROSSING_DOMAIN, CREDENTIAL_DOMAIN, ERASURE_DOMAIN, TRUST_ROOT_DOMAIN, ORDER_DOMAIN];

/**
 * {root, anchored, cosigners, seenBy (ms), provenIn, record, sealed, linked}: the checkpoint that crossed the chains and who
 * cosigned it; the one under which entries are proven; the crossing's record, null where nothing had to be sealed; the
 * credentials of loans' instructions that the log holds (hexadecimal); whether past epochs' words count.
 * Refuses those of `openCheckpoint` and `countCosigners`, EPOCH_UNLINKED, SET_EPOCH, SUPERFLUOUS, CROSSING_FORMAT, …
 */
export async function believe(bundle, root) {
  const records = objectsOf(bundle, CROSSING_DOMAIN);
  const credentials = new Set(objectsOf(bundle, CREDENTIAL_DOMAIN).map(readCredential));
  if (bundle.link === null) {
    require(records.length === 0, "SUPERFLUOUS", "a record of a crossing is of use only with what seals it");
    notariesOf(root, bundle.judged.verdict.epoch, false); // says why, where the note would only look unsigned
    const own = await open(bundle.note, root, root.pinned);
    return { ...toldOf(root, own, credentials), provenIn: own.checkpoint, record: null, linked: false };
  }
  require(records.length === 1, "EPOCH_UNLINKED", "exactly one record of a crossing is needed");
  const record = readRecord(records[0]);
  const bound = same(record.note, await sha256(bundle.note));
  require(bound, "EPOCH_UNLINKED", "the log holds the record of another checkpoint, or of other cosignatures");
  const anchored = await open(bundle.note, root, notariesOf(root, record.cosignedIn, true));
  const later = await open(bundle.link.note, root, root.pinned);
  await requireGrowth(anchored.checkpoint, later.checkpoint, bundle.link.growth);
  requireOrder(bundle, records[0], anchored.checkpoint);
  const epochs = [record.cosignedIn, bundle.attested.epoch, bundle.judged.verdict.epoch];
  const past = epochs.some((epoch) => epoch !== root.pinned.epoch);
  require(past, "SUPERFLUOUS", "everything was signed in the pinned epoch; nothing has to be sealed");
  return { ...toldOf(root, anchored, credentials), provenIn: later.checkpoint, record, linked: true };
}

const toldOf = (root, { checkpoint, cosigners, seenBy: seen }, sealed) => ({ root, anchored: checkpoint, cosigners, seenBy: seen, sealed });

/** The notaries of an epoch whose word counts. Refuses EPOCH_UNLINKED, SET_EPOCH. */
export function notariesOf(root, epoch, linked) {
  const found = epochsOf(root).find((notaries) => notaries.epoch === epoch);
  const where = `epoch ${epoch}`;
  require(found !== undefined, "SET_EPOCH", "signed in an epoch that the trust root does not know", where);
  const counts = found === root.pinned || linked;
  require(counts, "EPOCH_UNLINKED", "signed in a past epoch, and nothing seals it", where);
  return found;
}

async function open(bytes, { log }, { cosigners, quorum }) {
  const { checkpoint, note } = await openCheckpoint(bytes, log);
  const found = await countCosigners(note, { log, cosigners, quorum });
  return { checkpoint, cosigners: found, seenBy: seenBy(found, { cosigners, quorum }) };
}

async function requireGrowth(anchored, sealed, growth) {
  require(sealed.size > anchored.size, "EPOCH_UNLINKED", "what should seal the checkpoint is not later than it");
  await verifyConsistency(anchored, sealed, growth);
}

function requireOrder(bundle, record, anchored) {
  const later = BigInt(record.entry) >= anchored.size;
  require(later, "EPOCH_UNLINKED", "the crossing's record is older than the checkpoint it is about");
  const early = bundle.objects.find(({ entry, domain }) => BigInt(entry) >= anchored.size && !LATER.includes(domain));
  require(early === undefined, "SUPERFLUOUS", "an entry is later than the anchored checkpoint", `entry ${early?.entry}`);
  const within = bundle.erased.every(({ entry }) => BigInt(entry) < anchored.size);
  require(within, "SUPERFLUOUS", "an erased entry is later than the anchored checkpoint");
}

/** The credential of a loan's instruction that a record names, in hexadecimal digits. */
function readCredential({ canonical }) {
  const value = parseCanonical(canonical, MAX_CROSSING_BYTES);
  const whole = typeof value === "object" && value !== null && Object.keys(value).join() === "credential";
  require(whole, "CROSSING_FORMAT", "no record of a credential");
  return hexOf(fromHex(value.credential, "CROSSING_FORMAT", 32));
}

function readRecord({ canonical }) {
  const value = parseCanonical(canonical, MAX_CROSSING_BYTES);
  const keys = typeof value === "object" && value !== null ? Object.keys(value).sort().join() : "";
  const whole = keys === "cosigned_in,credential,note" && Number.isSafeInteger(value.cosigned_in) && value.cosigned_in >= 0;
  require(whole, "CROSSING_FORMAT", "no record of a crossing");
  const [note, credential] = [value.note, value.credential].map((each) => fromHex(each, "CROSSING_FORMAT", 32));
  return { note, cosignedIn: BigInt(value.cosigned_in), credential };
}
