// Headers of QBFT chains: who a header says its validators are, what they seal, and what the block's hash leaves out. Strictly
// as `ledger.ethereum.qbft` reads them. May never happen here: a second spelling of a header, or a chain where a contract
// chooses the validators read as one whose headers name them.

import { same, utf8 } from "../bytes.mjs";
import { keccak256 } from "../keccak.mjs";
import { Refusal, require } from "../refusal.mjs";
import { EXTRA_DATA, NUMBER, readHeader } from "./block.mjs";
import { decode, encode, integerOf } from "./rlp.mjs";

const MAX_UNSEALED_BYTES = 3072;
const [MIN_VALIDATORS, MAX_VALIDATORS, MAX_ROUND] = [4, 100, 127n];
const [VANITY_BYTES, ADDRESS_BYTES, SEAL_BYTES] = [32, 20, 65];
const [OMMERS, DIFFICULTY, MIX_HASH, NONCE] = [1, 7, 13, 14];
const COUNTED = [8, 9, 10, 11, 15, 17, 18]; // numbers of at most 8 bytes
const SEALED_MIX = utf8("ctical byzantine fault tolerance");
const EMPTY_OMMERS = keccak256(Uint8Array.of(0xc0));
const ADDED = 0xff;

/** {number (BigInt), validators, hash, digest}: `digest` is what each seal is over. Refuses HEADER_HASH, SEAL_MODE, CONFIG_SET. */
export function readUnsealed(raw, where) {
  require(raw.length <= MAX_UNSEALED_BYTES, "HEADER_HASH", `more than ${MAX_UNSEALED_BYTES} bytes`, where);
  const items = readHeader(raw, where);
  const counted = COUNTED.every((at) => items[at] === undefined || items[at].length <= 8);
  require(counted, "HEADER_HASH", "an integer has more than 8 bytes", where);
  const shaped =
    same(items[OMMERS], EMPTY_OMMERS) && integerOf(items[DIFFICULTY]) === 1n && same(items[MIX_HASH], SEALED_MIX) &&
    items[NONCE].every((byte) => byte === 0);
  require(shaped, "HEADER_HASH", "not the fixed fields of a QBFT header", where);
  const extra = readExtra(items[EXTRA_DATA], where);
  const { validators, round, seals } = extra;
  require(validators.length > 0, "SEAL_MODE", "a contract chooses the validators", where);
  const sized = MIN_VALIDATORS <= validators.length && validators.length <= MAX_VALIDATORS;
  require(sized, "CONFIG_SET", `${MIN_VALIDATORS} to ${MAX_VALIDATORS} validators`, where);
  require(round <= MAX_ROUND, "HEADER_HASH", `a round above ${MAX_ROUND}`, where);
  require(seals.length === 0, "HEADER_HASH", "seals stand beside the header", where);
  const number = integerOf(items[NUMBER]);
  return { number, validators, hash: number === 0n ? keccak256(raw) : hashOf(items, extra), digest: keccak256(raw) };
}

/** ceil(2n / 3) of n validators. */
export const sealQuorum = (validators) => Math.floor((2 * validators + 2) / 3);

/** The block's hash, which leaves the round out: it does not depend on how long agreement took. */
function hashOf(items, { vanity, validators, vote }) {
  const extra = encode([vanity, validators, vote, new Uint8Array(), []]);
  return keccak256(encode(items.map((item, at) => (at === EXTRA_DATA ? extra : item))));
}

function readExtra(raw, where) {
  try {
    const items = decode(raw, { maxDepth: 2 });
    requireForm(Array.isArray(items) && items.length === 5);
    const [vanity, validators, vote, round, seals] = items;
    requireForm(isSized(vanity, VANITY_BYTES) && Array.isArray(validators) && Array.isArray(vote) && Array.isArray(seals));
    requireForm(validators.every((each) => isSized(each, ADDRESS_BYTES)) && seals.every((each) => isSized(each, SEAL_BYTES)));
    requireForm(vote.length === 0 || isVote(vote));
    return { vanity, validators, vote, round: integerOf(round, 4), seals };
  } catch (error) {
    throw error instanceof Refusal ? new Refusal("HEADER_HASH", error.what, where) : error;
  }
}

const isSized = (item, length) => item instanceof Uint8Array && item.length === length;

/** An address to add, or to drop. */
function isVote(vote) {
  const [recipient, kind] = vote;
  const known = kind instanceof Uint8Array && (kind.length === 0 || (kind.length === 1 && kind[0] === ADDED));
  return vote.length === 2 && isSized(recipient, ADDRESS_BYTES) && known;
}

const requireForm = (held) => require(held, "HEADER_HASH", "extra data is malformed");
