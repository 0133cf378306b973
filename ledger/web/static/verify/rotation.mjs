// From the trust root a reader holds to a later one: each committee was ordered by a quorum of the one before it, in the
// very order that a chain's committee contract carried out. A rotation changes the notaries and nothing else.
// May never happen here: a retired key's word. An order of an epoch before the pinned one leads nowhere.

import { rotationDigest } from "./attestation.mjs";
import { fromHex, hexOf, same, textOf } from "./bytes.mjs";
import { checkSignatures } from "./quorum.mjs";
import { Refusal, Unavailable, require } from "./refusal.mjs";
import { epochsOf } from "./trust_root.mjs";

const MAX_MEMBERS = 100;
const CHAIN = /^eip155:([1-9][0-9]{0,31})$/;
const LENGTHS = { operator: 32, attesting: 20, cosigning: 32, oprf: 32, validator: 20 };
const CODE = "ROTATION_FORMAT";

/** The trust root is a later one than the reader's, and a quorum ordered it: nothing false, and not yet taken over. */
export class Rotated extends Unavailable {
  constructor(held, offered) {
    super("TRUST_ROOT_ROTATED", "a quorum of the notaries that this browser trusts ordered others to follow them");
    Object.assign(this, { from: held.pinned.epoch, to: offered.pinned.epoch, fingerprint: offered.fingerprint });
  }
}

/** {chainId, contract, epoch (BigInt), members, salt, signatures} of an order as the server sends it. Refuses ROTATION_FORMAT. */
export function readOrderOfRotation(value) {
  exactly(value, ["chain", "contract", "epoch", "members", "salt", "signatures"]);
  const [, chainId] = (typeof value.chain === "string" && CHAIN.exec(value.chain)) || [];
  const listed = Array.isArray(value.members) && value.members.length <= MAX_MEMBERS;
  const whole = chainId !== undefined && listed && Number.isSafeInteger(value.epoch) && 0 <= value.epoch;
  require(whole && value.epoch < Number.MAX_SAFE_INTEGER, CODE, "a field is missing or malformed");
  return {
    chainId: BigInt(chainId),
    contract: prefixed(value.contract, 20),
    epoch: BigInt(value.epoch),
    members: value.members.map(readMember),
    salt: prefixed(value.salt, 32),
    signatures: prefixed(value.signatures),
  };
}

/**
 * Refuse unless `orders` lead from the trust root `held` to `offered`, one epoch at a time. Refuses SET_EPOCH,
 * EPOCH_UNLINKED (an order of an epoch before the pinned one), ROTATION_CHAIN, QUORUM, SIG_…, CONFIG_SET,
 * ROTATION_ROOT (something else than the notaries differs, or they are others than were ordered).
 */
export async function followRotations(held, offered, orders) {
  const later = offered.pinned.epoch > held.pinned.epoch;
  require(later, "SET_EPOCH", "the trust root offered is of no later epoch than the one held");
  const chains = [held.origin, held.destination, held.transaction].map(({ chainId }) => chainId);
  let { epoch, members } = held.pinned;
  for (const order of orders) {
    const where = `epoch ${order.epoch}`;
    require(order.epoch >= held.pinned.epoch, "EPOCH_UNLINKED", "ordered in an epoch whose keys were retired", where);
    require(order.epoch === epoch, "SET_EPOCH", "an order out of its turn", where);
    require(chains.includes(order.chainId), "ROTATION_CHAIN", "an order for a chain that nobody named", where);
    await checkSignatures(members, rotationDigest(order), order.signatures, where);
    [epoch, members] = [epoch + 1n, committeeOf(order.members)];
  }
  require(epoch === offered.pinned.epoch, "SET_EPOCH", "the orders lead to another epoch", `epoch ${epoch}`);
  requireRenewed(held, offered, orders);
}

function requireRenewed(held, offered, orders) {
  const refuse = (why) => new Refusal("ROTATION_ROOT", `the trust root differs in more than its notaries: ${why}`);
  const before = epochsOf(held);
  const after = epochsOf(offered);
  const [mine, theirs] = [valueOf(held), valueOf(offered)];
  const kept = [...mine.past, notariesOf(mine)];
  const shown = [...theirs.past, notariesOf(theirs)];
  if (!alike(kept, shown.slice(0, kept.length))) throw refuse("its past epochs are others");
  if (offered.dated < held.dated) throw refuse("it is older");
  for (const name of ["past", "dated", "cosigners", "quorum", "committee"]) [mine[name], theirs[name]] = [null, null];
  if (!alike(mine, theirs)) throw refuse("log, chains or contracts differ");
  const followed = after.slice(before.length);
  const each = followed.length === orders.length && followed.every(({ epoch }, at) => epoch === orders[at].epoch + 1n);
  if (!each) throw refuse("it leaves out an epoch");
  followed.forEach((notaries, at) => {
    if (!areThose(notaries, orders[at].members)) throw refuse(`those of epoch ${notaries.epoch} were not ordered`);
  });
}

function areThose({ members, cosigners }, ordered) {
  const attesting = ordered.map(({ attesting }) => attesting);
  const cosigning = ordered.map(({ cosigning }) => hexOf(cosigning)).sort();
  const one = members.length === attesting.length && members.every((member, at) => same(member, attesting[at]));
  return one && alike(cosigners.map(({ key }) => hexOf(key)).sort(), cosigning);
}

/** The members' addresses, where they make a committee. Refuses CONFIG_SET. */
function committeeOf(members) {
  const addresses = members.map(({ attesting }) => attesting);
  const real = addresses.every((address) => address.some((byte) => byte !== 0));
  const distinct = new Set(addresses.map(hexOf)).size === addresses.length && addresses.length >= 4;
  require(real && distinct, "CONFIG_SET", "a committee has four distinct members or more");
  return addresses;
}

function readMember(value) {
  exactly(value, Object.keys(LENGTHS));
  return Object.fromEntries(Object.entries(LENGTHS).map(([name, length]) => [name, prefixed(value[name], length)]));
}

function exactly(value, names) {
  const held = typeof value === "object" && value !== null ? Object.keys(value).sort().join() : "";
  require(held === [...names].sort().join(), CODE, `it does not hold exactly ${names.join(", ")}`);
}

function prefixed(text, length = null) {
  require(typeof text === "string" && text.startsWith("0x"), CODE, "a value does not begin with 0x");
  return fromHex(text.slice(2), CODE, length);
}

// Both are canonical, so that equal texts are equal values.
const valueOf = ({ bytes }) => JSON.parse(textOf(bytes, CODE));
const notariesOf = ({ cosigners, quorum, committee }) => ({ committee, cosigners, quorum });
const alike = (left, right) => JSON.stringify(left) === JSON.stringify(right);
