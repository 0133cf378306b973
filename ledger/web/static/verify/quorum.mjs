// Whether enough of a committee signed: packed signatures as the contracts take them. One set of signers has one form:
// signers (13 bytes, a bit each) | parities (13 bytes) | r ‖ s for each signer by rising index.

import { same } from "./bytes.mjs";
import { breathe } from "./pace.mjs";
import { require } from "./refusal.mjs";
import { recover } from "./secp256k1.mjs";

const BITMAP = 13;
const HEAD = 2 * BITMAP;
const PAIR = 64;

/** floor(2n / 3) + 1 of n members. */
export const quorumOf = (members) => Math.floor((2 * members) / 3) + 1;

/** The indices of the `members` (addresses) that signed `digest`. Refuses SIG_LENGTH, SIG_BAD_V, SIG_UNKNOWN, QUORUM, … */
export async function checkSignatures(members, digest, packed, where = "") {
  const pairs = split(packed, members.length, where);
  const needed = quorumOf(members.length);
  require(pairs.length >= needed, "QUORUM", `${pairs.length} of ${needed} signatures`, where);
  for (const { index, pair, parity } of pairs) {
    const place = `${where}${where && ", "}member ${index}`;
    const signer = recover(digest, pair, parity, place);
    require(same(signer, members[index]), "SIG_UNKNOWN", "not this member's signature", place);
    await breathe();
  }
  return pairs.map(({ index }) => index);
}

function split(packed, members, where) {
  require(packed.length >= HEAD + PAIR, "SIG_LENGTH", "too short for a signature", where);
  const [signers, parities] = [bitsOf(packed.slice(0, BITMAP)), bitsOf(packed.slice(BITMAP, HEAD))];
  require(signers >> BigInt(members) === 0n, "SIG_UNKNOWN", "a signer is no member", where);
  require((parities & ~signers) === 0n, "SIG_BAD_V", "a recovery value is given where nobody signed", where);
  const indices = Array.from({ length: members }, (_, index) => index).filter((index) => (signers >> BigInt(index)) & 1n);
  const whole = packed.length === HEAD + PAIR * indices.length;
  require(whole, "SIG_LENGTH", "not exactly one signature for each signer", where);
  return indices.map((index, place) => ({
    index,
    pair: packed.slice(HEAD + PAIR * place, HEAD + PAIR * (place + 1)),
    parity: Number((parities >> BigInt(index)) & 1n),
  }));
}

const bitsOf = (bytes) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
