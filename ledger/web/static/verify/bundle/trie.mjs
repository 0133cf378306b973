// What a Merkle-Patricia proof shows (Yellow Paper, appendices C and D): the value under a path, or that there is none.
// May never happen here: a node that is not the next one needed, or one in another encoding than its only one.

import { same } from "../bytes.mjs";
import { keccak256 } from "../keccak.mjs";
import { Refusal, require } from "../refusal.mjs";
import { decode, encodedLength } from "./rlp.mjs";

const HASH_BYTES = 32;
const isBytes = (item) => item instanceof Uint8Array;

/**
 * The value under `key` in the trie with this root, null where `nodes` prove that there is none. Every node counts, once,
 * root first. Refuses PROOF_SUPERFLUOUS, PROOF_INVALID, PROOF_NODE.
 */
export function prove(root, key, nodes) {
  require(nodes.length <= 2 * key.length + 1, "PROOF_SUPERFLUOUS", "more nodes than the path has steps");
  const walk = { nodes, used: 0 };
  const found = follow(walk, root, nibblesOf(key));
  require(walk.used === nodes.length, "PROOF_SUPERFLUOUS", "nodes are left over", `node ${walk.used}`);
  return found;
}

function follow(walk, root, whole) {
  let [reference, path] = [root, whole];
  while (!isBytes(reference) || reference.length > 0) {
    const node = nodeOf(walk, reference);
    if (node.value !== undefined && node.children === undefined) return same(node.path, path) ? node.value : null;
    if (node.child !== undefined) {
      if (!same(path.slice(0, node.path.length), node.path)) return null;
      [reference, path] = [node.child, path.slice(node.path.length)];
    } else if (path.length > 0) {
      [reference, path] = [node.children[path[0]], path.slice(1)];
    } else {
      return node.value.length > 0 ? node.value : null;
    }
  }
  return null;
}

function nodeOf(walk, reference) {
  if (!isBytes(reference)) return readNode(reference);
  const where = `node ${walk.used}`;
  require(walk.used < walk.nodes.length, "PROOF_INVALID", "the proof ends before the path does", where);
  const raw = walk.nodes[walk.used];
  if (!same(keccak256(raw), reference)) {
    const later = walk.nodes.some((other) => same(keccak256(other), reference));
    const code = later ? "PROOF_SUPERFLUOUS" : "PROOF_INVALID";
    throw new Refusal(code, "a node is not the one its parent names", where);
  }
  const named = walk.used === 0 || raw.length >= HASH_BYTES;
  require(named, "PROOF_NODE", "a node that should stand inline is named by its hash", where);
  walk.used += 1;
  try {
    return readNode(decode(raw));
  } catch (error) {
    throw error.code?.startsWith("RLP_") ? new Refusal("PROOF_NODE", error.what, where) : error;
  }
}

/** {path, value} of a leaf, {path, child} of an extension, {children, value} of a branch. */
function readNode(item) {
  if (Array.isArray(item) && item.length === 17) {
    require(isBytes(item[16]), "PROOF_NODE", "a branch's value is a list");
    const children = item.slice(0, 16);
    children.forEach(checkReference);
    return { children, value: item[16] };
  }
  require(Array.isArray(item) && item.length === 2 && isBytes(item[0]), "PROOF_NODE", "neither a branch nor a pair");
  const { path, isLeaf } = pathOf(item[0]);
  if (isLeaf) {
    require(isBytes(item[1]) && item[1].length > 0, "PROOF_NODE", "a leaf has no value");
    return { path, value: item[1] };
  }
  const leads = path.length > 0 && !(isBytes(item[1]) && item[1].length === 0);
  require(leads, "PROOF_NODE", "an extension leads nowhere");
  checkReference(item[1]);
  return { path, child: item[1] };
}

function checkReference(child) {
  const fits = isBytes(child)
    ? child.length === 0 || child.length === HASH_BYTES
    : child.length > 0 && encodedLength(child) < HASH_BYTES;
  require(fits, "PROOF_NODE", "a child is neither a hash nor short enough to stand inline");
}

function pathOf(compact) {
  require(compact.length > 0 && compact[0] < 0x40, "PROOF_NODE", "a path has no hex prefix");
  const [flag, path] = [compact[0] >> 4, nibblesOf(compact)];
  require(flag & 1 || path[1] === 0, "PROOF_NODE", "an even path is padded with something else than zero");
  return { path: path.slice(flag & 1 ? 1 : 2), isLeaf: flag >= 2 };
}

const nibblesOf = (key) => Uint8Array.from({ length: 2 * key.length }, (_, at) => (key[at >> 1] >> (at & 1 ? 0 : 4)) & 15);
