// A message's way from one chain to another, proven backwards from the notaries' signatures; the anchor's above all.
//     quorum's signatures → verdict → two block hashes → headers → receipts roots → logs → what the message carries
// May never happen here: believing a header that the verdict does not name, or a log of another contract.

import { attestationDigest, credentialOf, headerDigest, signed, verdictDigest, word } from "../attestation.mjs";
import { concat, same, sha256, utf8 } from "../bytes.mjs";
import { keccak256 } from "../keccak.mjs";
import { leafHash, nodeHash } from "../merkle.mjs";
import { checkSignatures } from "../quorum.mjs";
import { Refusal, require } from "../refusal.mjs";
import { openHeader, openLog } from "./block.mjs";
import { notariesOf } from "./epochs.mjs";
import { readProposal } from "./message.mjs";
import { verifySeals } from "./seals.mjs";

const MESSAGE_COMMITTED = keccak256(utf8("MessageCommitted(bytes32,bool,bytes32)"));
const MIRRORED = concat(utf8("mirrored"), new Uint8Array(24));
const [SAME, NOTICE] = [1n, 1n];
const [NOTARY, CERTIFIED, RELAY, NOTARY_AND_RELAY] = [1n, 2n, 3n, 4n]; // policies of a lane
const alone = (_, work) => work();

/**
 * {message, executed, outcome, left, arrived, judges, sealing, certifiers, attesters, certificate} of one message from `origin` to one of
 * `destinations`; says nothing about who sent it and what it carries. `during(step, work)`: told of each step.
 */
export async function follow(crossing, believed, { origin, destinations, during = alone }) {
  const { verdict } = crossing.judged;
  const judges = await during("judged", () => verifyVerdict(crossing.judged, believed));
  const { left, message } = await during("anchored", () => openSent(crossing.sent, verdict, origin, destinations));
  const sealing = await during("sealers", () => verifySeals(crossing, validatorsOf(believed.root, origin), left.number));
  const certifiers = await during("certified", () => verifyCertified(crossing, believed.root, { origin, message, left }));
  const { attesters, certificate } = await during("attested", () => letIn(crossing, message, believed));
  const committed = await during("committed", () => openCommit(crossing.committed, message, crossing.judged));
  return { message, left, judges, sealing, certifiers, attesters, certificate, ...committed };
}

/** The anchor's way: refuse unless `believed.anchored` is what crossed, and was mirrored. Returns what `follow` does. */
export async function verifyAnchor(bundle, believed, during = alone) {
  const { root, anchored } = believed;
  const crossed = await follow(bundle, believed, { origin: root.origin, destinations: [root.destination], during });
  await during("anchored", async () => {
    const { message } = crossed;
    const ends = same(message.sender, root.origin.anchor_registry) && same(message.recipient, root.destination.anchor_mirror);
    require(ends && message.kind === NOTICE, "ANCHOR_MISMATCH", "not from the anchor registry to the anchor mirror");
  });
  await during("committed", async () => {
    require(crossed.executed, "COMMIT_NOT_EXECUTED", "the message was committed, but the mirror's call failed");
    require(same(crossed.outcome, MIRRORED), "COMMIT_MISMATCH", "the mirror did not take the anchor");
  });
  await during("credential", async () => {
    verifyCredential(bundle.judged, crossed.certificate, root);
    const sealed = believed.record === null || same(believed.record.credential, bundle.judged.credential);
    require(sealed, "EPOCH_UNLINKED", "the log holds the record of another crossing");
  });
  await during("anchored", async () => {
    const payload = concat(await sha256(utf8(anchored.origin)), word(anchored.size), anchored.root);
    require(same(crossed.message.payload, payload), "ANCHOR_MISMATCH", "what crossed is not the bundle's checkpoint");
  });
  return crossed;
}

/** Refuse CREDENTIAL_MISMATCH unless the credential stated is the one of certificate and verdict. */
export function verifyCredential(judged, certificate, root) {
  const own = credentialOf(certificate, signed(digestOf(judged, root), judged.signatures));
  require(same(own, judged.credential), "CREDENTIAL_MISMATCH", "not the credential of these signatures");
}

async function verifyVerdict(judged, believed) {
  const { verdict } = judged;
  const judges = await requireQuorum(believed, verdict.epoch, digestOf(judged, believed.root), judged.signatures, "judged");
  require(verdict.verdict === SAME, "VERDICT_NOT_SAME", "the notaries' verdict is not that all is the same");
  const known = [NOTARY, CERTIFIED, RELAY, NOTARY_AND_RELAY].includes(verdict.policy);
  require(known, "VERDICT_POLICY", "a lane of a policy that cannot be shown here");
  return judges;
}

async function openSent(sent, verdict, origin, destinations) {
  const left = openHeader(sent.header, verdict.originBlock, "sent.header");
  const log = openLog(left.receiptsRoot, sent, "sent");
  requirePlace(sent, verdict.originLog, "sent.log_index");
  const message = readProposal(log, origin, destinations);
  require(same(message.id, verdict.id), "VERDICT_MISMATCH", "the verdict is about another message", "judged.verdict.id");
  return { left, message };
}

/** The validators that the trust root pins of a chain: {height, members}, or null. */
function validatorsOf(root, { chainId }) {
  return [root.origin, root.destination, root.transaction].find((chain) => chain.chainId === chainId)?.validators ?? null;
}

/**
 * How many notaries certified the origin's header to the destination's holder of headers; null where the bundle shows none.
 * Nothing that was sealed binds it, so it counts in the pinned epoch alone.
 */
async function verifyCertified({ certified, judged }, root, { origin, message, left }) {
  if (certified.length === 0) return null;
  const [{ contract, epoch, signatures }] = certified;
  require(judged.verdict.policy === CERTIFIED, "SUPERFLUOUS", "a certified header, and the lane rests on none", "certified");
  const digest = headerDigest({ chainId: message.destination.chainId, contract }, origin.chainId, left, epoch);
  return requireQuorum({ root, linked: false }, epoch, digest, signatures, "certified");
}

/** How the destination let the message in: `attesters` is null where its lane asks for no certificate and there is none. */
async function letIn({ attested, judged }, message, believed) {
  const asked = [NOTARY, NOTARY_AND_RELAY].includes(judged.verdict.policy);
  if (asked || attested.signatures.length > 0) return verifyCertificate(attested, message, believed);
  const none = attested.epoch === judged.verdict.epoch && attested.path.length === 0;
  require(none, "NON_CANONICAL", "a certificate that is not there has a path, or an epoch", "attested");
  return { attesters: null, certificate: new Uint8Array(32) };
}

async function verifyCertificate(attested, message, believed) {
  let reached = await leafHash(message.id);
  for (const step of attested.path) {
    require(step[0] <= 1, "BUNDLE_FIELD", "a sibling stands neither left nor right", "attested.path");
    const sibling = step.slice(1);
    reached = step[0] === 0 ? await nodeHash(sibling, reached) : await nodeHash(reached, sibling);
  }
  const digest = attestationDigest(message.destination, reached, attested.epoch);
  const attesters = await requireQuorum(believed, attested.epoch, digest, attested.signatures, "attested");
  return { attesters, certificate: signed(digest, attested.signatures) };
}

async function openCommit(committed, message, { verdict }) {
  const arrived = openHeader(committed.header, verdict.commitBlock, "committed.header");
  const { address, topics, data } = openLog(arrived.receiptsRoot, committed, "committed");
  requirePlace(committed, verdict.commitLog, "committed.log_index");
  require(same(address, message.destination.gateway), "EMITTER", "the log is not the destination gateway's");
  const own = topics.length === 2 && same(topics[0], MESSAGE_COMMITTED) && same(topics[1], message.id);
  require(own && data.length === 64, "COMMIT_MISMATCH", "the log is not the commit of this message");
  const [flag, outcome] = [data.slice(0, 32), data.slice(32)];
  const executed = same(flag, word(1n));
  const told = (executed || same(flag, word(0n))) && executed === verdict.executed && same(outcome, verdict.outcome);
  require(told, "COMMIT_MISMATCH", "the log and the verdict tell the commit differently");
  const checked = verdict.checkedFrom <= arrived.number;
  require(checked, "COMMIT_NOT_CHECKED", "the notaries re-executed only blocks after the commit");
  return { arrived, executed, outcome };
}

function requirePlace({ transaction, logIndex }, stated, where) {
  const place = (transaction << 32n) | logIndex;
  require(place === stated, "LOG_PLACE", "the log stands at another place than the verdict says", where);
}

/** {signers, members, epoch}: how many of how many signed, where a quorum of the epoch did. */
async function requireQuorum(believed, epoch, digest, packed, where) {
  const { members } = notariesOf(believed.root, epoch, believed.linked);
  try {
    const signers = await checkSignatures(members, digest, packed, `${where}.signatures`);
    return { signers: signers.length, members: members.length, epoch };
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(error.code, error.what, error.where) : error;
  }
}

const digestOf = ({ verdict }, { transaction }) => verdictDigest(transaction.chainId, transaction.registry, verdict);
