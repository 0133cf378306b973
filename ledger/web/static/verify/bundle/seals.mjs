// That the origin's own validators sealed the block a message left in: from those the trust root pins, step by step, as
// `ledger.bundle.seals` follows them. May never happen here: seals of validators that nobody vouched for, or a lane that rests
// on seals told as if they had been shown.

import { hexOf, same } from "../bytes.mjs";
import { breathe } from "../pace.mjs";
import { require } from "../refusal.mjs";
import { recover } from "../secp256k1.mjs";
import { readUnsealed, sealQuorum } from "./qbft.mjs";

const PACKED_BYTES = 66; // index (1) | r (32) | s (32) | v (1, 27 or 28)
const [RELAY, NOTARY_AND_RELAY] = [3n, 4n]; // policies that rest on seals
const NOBODY = "00".repeat(20);

/**
 * How the seals lead to the origin's block of this number, which the verdict names: {sealed: {sealers, validators, number,
 * changes}, why: ""}; {sealed: null, why} where a lane rests on seals that cannot be shown: "unpinned" or "earlier"; `why` is ""
 * where none are asked for. `pinned`: {height, members} of the trust root, or null.
 * Refuses SEALS_UNPINNED, SEALS_MISSING, SEALS_ORDER, NON_CANONICAL, HEADER_HASH, SEAL_MODE, CONFIG_SET, QUORUM, SET_OVERLAP, SIG_….
 */
export async function verifySeals({ seals, judged: { verdict } }, pinned, number) {
  if (seals.length === 0) return { sealed: null, why: whyNot(verdict.policy, pinned, number) };
  require(pinned !== null, "SEALS_UNPINNED", "the trust root names no validators of the chain");
  let [trusted, height, sealers, header] = [pinned.members, pinned.height, 0, null];
  for (const [place, step] of seals.entries()) {
    const where = `seals[${place}]`;
    header = readUnsealed(step.header, where);
    const rising = header.number > height || (header.number === height && place === 0);
    require(rising, "SEALS_ORDER", "the sealed headers do not rise from the pinned one", where);
    const known = alike(header.validators, trusted);
    require(!known || place === seals.length - 1, "NON_CANONICAL", "a sealed header leads nowhere", where);
    requireList(header.validators, where);
    sealers = await checkSeals(header, step.seals, known ? null : trusted, where);
    [trusted, height] = [header.validators, header.number];
  }
  require(same(header.hash, verdict.originBlock), "HEADER_HASH", "the sealed block is not the one that the verdict names");
  const sealed = { sealers, validators: trusted.length, number: header.number, changes: seals.length - 1 };
  return { sealed, why: "" };
}

function whyNot(policy, pinned, number) {
  if (policy !== RELAY && policy !== NOTARY_AND_RELAY) return "";
  if (pinned === null) return "unpinned";
  require(number < pinned.height, "SEALS_MISSING", "the lane rests on seals, and the bundle carries none");
  return "earlier";
}

/** How many sealed: a quorum of the header's validators, and of `vouching` where those are others. */
async function checkSeals({ validators, digest }, packed, vouching, where) {
  const count = packed.length / PACKED_BYTES;
  const whole = Number.isInteger(count) && count <= validators.length;
  require(whole, "SIG_LENGTH", "not one seal for a validator", where);
  require(count >= sealQuorum(validators.length), "QUORUM", `${count} of ${sealQuorum(validators.length)} seals`, where);
  const signers = [];
  let last = -1;
  for (let at = 0; at < packed.length; at += PACKED_BYTES) {
    const [index, v] = [packed[at], packed[at + PACKED_BYTES - 1]];
    const place = `${where}, validator ${index}`;
    require(index > last, "SIG_ORDER", "seals are ordered by validator, once each", place);
    require(index < validators.length, "SIG_UNKNOWN", "a seal of no validator", place);
    require(v === 27 || v === 28, "SIG_BAD_V", "the recovery value is neither 27 nor 28", place);
    const signer = recover(digest, packed.slice(at + 1, at + PACKED_BYTES - 1), v - 27, place);
    require(same(signer, validators[index]), "SIG_UNKNOWN", "not this validator's seal", place);
    signers.push(hexOf(signer));
    last = index;
    await breathe();
  }
  if (vouching !== null) {
    const overlap = vouching.filter((each) => signers.includes(hexOf(each))).length;
    const enough = overlap >= sealQuorum(vouching.length);
    require(enough, "SET_OVERLAP", "fewer than a quorum of the trusted validators sealed the change", where);
  }
  return signers.length;
}

function requireList(validators, where) {
  const written = validators.map(hexOf);
  const rising = written.every((each, at) => (at === 0 ? NOBODY : written[at - 1]) < each);
  require(rising, "CONFIG_SET", "validators are ascending, distinct and not zero", where);
}

const alike = (left, right) => left.length === right.length && left.every((each, at) => same(each, right[at]));
