// The log's Merkle tree (RFC 9162 section 2.1): SHA-256, leaves prefixed 0x00, nodes 0x01, an odd node moves up alone.
// May never happen here: a proof of another length or order than the tree's size dictates. Sizes are BigInt: a log may
// have more entries than a double counts.

import { concat, same, sha256 } from "./bytes.mjs";
import { require } from "./refusal.mjs";

export const HASH_BYTES = 32;
export const MAX_SIZE = 2n ** 63n - 1n;
const MAX_PATH = 65; // 64 levels hold more leaves than any log

/** How an entry stands in the tree. */
export const leafHash = (entry) => sha256(concat(Uint8Array.of(0), entry));

/** How two subtrees stand above one another. */
export const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

/** Refuse PROOF_INVALID unless the tree of `size` leaves with `root` holds the leaf hash `leaf` at `index`. */
export async function verifyInclusion({ leaf, index, size, path, root }) {
  require(same(await rootFrom(leaf, index, size, path), root), "PROOF_INVALID", "the proof leads to another root");
}

/** Refuse PROOF_INVALID unless the tree `old` ({size, root}) is the beginning of the tree `now`. */
export async function verifyConsistency(old, now, path) {
  require(0n < old.size && old.size <= now.size && now.size <= MAX_SIZE, "PROOF_INVALID", "no provable beginning");
  if (old.size === now.size) {
    require(path.length === 0 && same(old.root, now.root), "PROOF_INVALID", "two states of one size");
    return;
  }
  const lengths = path.length > 0 && path.length <= MAX_PATH;
  const whole = [old.root, now.root, ...path].every((hash) => hash.length === HASH_BYTES);
  require(lengths && whole, "PROOF_INVALID", "a hash has another length, or there are too many or none");
  let [position, last] = [old.size - 1n, now.size - 1n];
  while (position & 1n) [position, last] = [position >> 1n, last >> 1n];
  // When the old tree is one full subtree, its root is where the proof begins and is not sent.
  const [first, ...rest] = (old.size & (old.size - 1n)) === 0n ? [old.root, ...path] : path;
  let [before, after] = [first, first];
  for (const sibling of rest) {
    require(last !== 0n, "PROOF_INVALID", "the proof is longer than the tree is high");
    if (position & 1n || position === last) {
      [before, after] = [await nodeHash(sibling, before), await nodeHash(sibling, after)];
      while (position && !(position & 1n)) [position, last] = [position >> 1n, last >> 1n];
    } else {
      after = await nodeHash(after, sibling);
    }
    [position, last] = [position >> 1n, last >> 1n];
  }
  const leads = last === 0n && same(before, old.root) && same(after, now.root);
  require(leads, "PROOF_INVALID", "the proof does not lead from the old state to the new one");
}

async function rootFrom(leaf, index, size, path) {
  require(0n <= index && index < size && size <= MAX_SIZE, "PROOF_INVALID", "the leaf is not in the tree");
  const lengths = path.length <= MAX_PATH && [leaf, ...path].every((hash) => hash.length === HASH_BYTES);
  require(lengths, "PROOF_INVALID", "a hash has another length, or there are too many");
  let [position, last, reached] = [index, size - 1n, leaf];
  for (const sibling of path) {
    require(last !== 0n, "PROOF_INVALID", "the proof is longer than the tree is high");
    if (position & 1n || position === last) {
      reached = await nodeHash(sibling, reached);
      // A last node without a sibling moves up as it is: skip those levels.
      while (position && !(position & 1n)) [position, last] = [position >> 1n, last >> 1n];
    } else {
      reached = await nodeHash(reached, sibling);
    }
    [position, last] = [position >> 1n, last >> 1n];
  }
  require(last === 0n, "PROOF_INVALID", "the proof is shorter than the tree is high");
  return reached;
}
