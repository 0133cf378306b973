// What the chains were told about one loan: each instruction to secure, release or enforce, followed as the anchor is. One that
// was signed in a past epoch counts where the log that the pinned epoch cosigned holds its credential. May never happen here:
// an instruction of another registry, of another loan or about other goods.

import { concat, domainSeparated, hexOf, same, sha256 } from "../bytes.mjs";
import { canonicalBytes } from "../canonical.mjs";
import { require } from "../refusal.mjs";
import { follow, verifyCredential } from "./crossing.mjs";

const INSTRUCTION_BYTES = 192;
const ASKED = { 1: "secure", 2: "release", 3: "enforce" };
const GOODS_DOMAIN = "pledgetrail/goods/v1/json";
const GOODS = /^https:\/\/id\.gs1\.org\/01\/(\d{14})\/10\/([^/]+)(?:\/21\/[^/]+)?$/;

/**
 * The instructions of a bundle's pledge: [{asked, executed, outcome, arrived, destination, sealing}].
 * Refuses those of `follow`, PLEDGE_MISMATCH, PLEDGE_EMPTY, PLEDGE_ORDER, PLEDGE_FORMAT, EPOCH_UNLINKED, GOODS_NOT_A_LOT.
 */
export async function verifyPledge({ pledge, subject }, believed) {
  require(believed.root.lending, "PLEDGE_MISMATCH", "the trust root names no contracts by which anything is pledged");
  require(pledge.crossings.length > 0, "PLEDGE_EMPTY", "the bundle tells nothing about the loan it names");
  const told = [];
  for (const crossing of pledge.crossings) told.push(await verifyOne(crossing, believed));
  const own = told.every(({ loan }) => same(loan, pledge.loan));
  require(own, "PLEDGE_MISMATCH", "an instruction is another loan's");
  const rising = told.every(({ order }, at) => at === 0 || precedes(told[at - 1].order, order));
  require(rising, "PLEDGE_ORDER", "the loan's instructions are repeated, or not in their order");
  const one = told.every(({ goods }) => same(goods, told[0].goods));
  require(one, "PLEDGE_MISMATCH", "the instructions are about different goods");
  requireNeeded(pledge, believed);
  const about = same(await goodsKey(subject), told[0].goods);
  require(about, "PLEDGE_MISMATCH", "the loan is secured by other goods than the bundle is about", subject);
  return told;
}

/** Refuse SUPERFLUOUS: the record of a credential that no instruction of a past epoch needs. `pledge` may be null. */
export function requireNeeded(pledge, { root, sealed }) {
  const current = ({ judged, attested }) => [judged.verdict.epoch, attested.epoch].every((epoch) => epoch === root.pinned.epoch);
  const past = (pledge?.crossings ?? []).filter((crossing) => !current(crossing));
  const needed = new Set(past.map(({ judged }) => hexOf(judged.credential)));
  const all = [...sealed].every((credential) => needed.has(credential));
  require(all, "SUPERFLUOUS", "the record of a credential that nothing here needs");
}

async function verifyOne(crossing, believed) {
  const { root } = believed;
  const ends = { origin: root.destination, destinations: [root.transaction, root.origin] };
  const here = { ...believed, linked: believed.sealed.has(hexOf(crossing.judged.credential)) };
  const { message, executed, outcome, arrived, certificate, sealing } = await follow(crossing, here, ends);
  const { destination: lender, origin, transaction } = root;
  const registry = message.destination === transaction ? transaction.goods : origin.receipts;
  const ours = same(message.sender, lender.loans) && same(message.recipient, registry);
  require(ours, "PLEDGE_MISMATCH", "the message is no loan's instruction to a registry");
  const { payload } = message;
  require(payload.length === INSTRUCTION_BYTES, "PLEDGE_FORMAT", "the message carries no instruction");
  const words = Array.from({ length: 6 }, (_, at) => payload.slice(32 * at, 32 * (at + 1)));
  verifyCredential(crossing.judged, certificate, root);
  const asked = words[0].slice(0, 31).every((byte) => byte === 0) ? ASKED[words[0][31]] : undefined;
  require(asked !== undefined, "PLEDGE_FORMAT", "the instruction asks for nothing that is known");
  const order = [numberOf(words[2]), message.destination.chainId, message.sequence];
  return { asked, executed, outcome, arrived, order, loan: words[1], goods: words[4], destination: message.destination, sealing };
}

/** The identity of pledged goods: their lot, GTIN and lot code together. */
async function goodsKey(subject) {
  const [, gtin, written] = GOODS.exec(subject) ?? [];
  require(gtin !== undefined, "GOODS_NOT_A_LOT", "goods are pledged by their lot", subject);
  return sha256(domainSeparated(GOODS_DOMAIN, canonicalBytes({ gtin, lot: decodeURIComponent(written) })));
}

/** The outcome of an instruction as text: letters where it is some, else digits. */
export function outcomeText({ executed, outcome }) {
  if (!executed) return "";
  const letters = outcome.slice(0, outcome.findLastIndex((byte) => byte !== 0) + 1);
  const plain = letters.length > 0 && letters.every((byte) => 32 <= byte && byte < 127);
  return plain ? String.fromCharCode(...letters) : `0x${hexOf(concat(outcome))}`;
}

const numberOf = (bytes) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

function precedes(left, right) {
  const at = left.findIndex((value, place) => value !== right[place]);
  return at >= 0 && left[at] < right[at];
}
