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

const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

/** Refuse PROOF_INVALID unless the tree of `size` leaves with `root` holds the leaf hash `leaf` at `index`. */
export async function verifyInclusion({ leaf, index, size, path, root }) {
  require(root.length === HASH_BYTES, "PROOF_INVALID", "the root has another length");
  require(same(await rootFrom(leaf, index, size, path), root), "PROOF_INVALID", "the proof leads to another root");
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
