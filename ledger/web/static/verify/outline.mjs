// The outline of an object: the SHA-256 of each of its chunks, which together give the CID that the camera signed. Whoever holds
// it can check each chunk by itself, as it comes (UnixFS file in DAG-PB, SHA-256, raw leaves, as `ledger.cid` makes it).
// May never happen here: an outline that is believed before it gave the signed CID.

import { concat, same, sha256 } from "./bytes.mjs";
import { breathe } from "./pace.mjs";
import { require } from "./refusal.mjs";

export const CHUNK_BYTES = 262_144;

const LINKS_PER_NODE = 174;
const [RAW, DAG_PB, UNIXFS_FILE] = [0x55, 0x70, 2];
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** How many bytes the outline of an object of `size` bytes has, as it travels: length (8), then the digests. */
export const outlineBytes = (size) => 8 + 32 * chunksIn(size);

/** The digests of an object's chunks, once they give its `cid`. Refuses VIDEO_DIFFERS. */
export async function readOutline(raw, { cid, size }, where) {
  const stated = raw.slice(0, 8).reduce((sum, byte) => sum * 256 + byte, 0);
  const whole = raw.length === outlineBytes(size) && stated === size;
  require(whole, "VIDEO_DIFFERS", "the outline is not that of what the camera signed", where);
  const digests = Array.from({ length: chunksIn(size) }, (_, at) => raw.slice(8 + 32 * at, 40 + 32 * at));
  const named = (await cidOfLeaves(digests, size)) === cid;
  require(named, "VIDEO_DIFFERS", "the outline gives another CID than the camera signed", where);
  return digests;
}

/** Refuse VIDEO_DIFFERS unless `chunk` is the one with this digest. */
export async function checkChunk(chunk, digest, where) {
  require(same(await sha256(chunk), digest), "VIDEO_DIFFERS", "the video is not what the camera signed", where);
}

/** The CID of an object of `size` bytes whose chunks have these digests. */
export async function cidOfLeaves(digests, size) {
  let nodes = digests.map((digest, at) => {
    const length = Math.min(CHUNK_BYTES, size - at * CHUNK_BYTES);
    return { cid: binary(RAW, digest), fileBytes: length, dagBytes: length };
  });
  while (nodes.length > 1) {
    const above = [];
    for (let at = 0; at < nodes.length; at += LINKS_PER_NODE) {
      above.push(await parentOf(nodes.slice(at, at + LINKS_PER_NODE)));
      await breathe();
    }
    nodes = above;
  }
  return `b${base32(nodes[0].cid)}`;
}

const chunksIn = (size) => Math.max(1, Math.ceil(size / CHUNK_BYTES));

async function parentOf(children) {
  const fileBytes = children.reduce((sum, child) => sum + child.fileBytes, 0);
  const sizes = children.map((child) => concat(Uint8Array.of(0x20), varint(child.fileBytes)));
  const unixfs = concat(Uint8Array.of(0x08, UNIXFS_FILE, 0x18), varint(fileBytes), ...sizes);
  const block = concat(...children.map((child) => field(2, linkTo(child))), field(1, unixfs));
  const dagBytes = block.length + children.reduce((sum, child) => sum + child.dagBytes, 0);
  return { cid: binary(DAG_PB, await sha256(block)), fileBytes, dagBytes };
}

// The empty name is written out: leaving it away would be valid and another CID.
const linkTo = ({ cid, dagBytes }) => concat(field(1, cid), field(2, new Uint8Array()), Uint8Array.of(0x18), varint(dagBytes));
const field = (number, payload) => concat(Uint8Array.of((number << 3) | 2), varint(payload.length), payload);
const binary = (codec, digest) => concat(Uint8Array.of(1, codec, 0x12, 0x20), digest);

function varint(value) {
  const out = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) out.push((left % 128) | 0x80);
  return Uint8Array.of(...out, left);
}

function base32(bytes) {
  let [text, held, bits] = ["", 0, 0];
  for (const byte of bytes) {
    [held, bits] = [((held << 8) | byte) & 0xfff, bits + 8];
    for (; bits >= 5; bits -= 5) text += LETTERS[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + LETTERS[(held << (5 - bits)) & 31];
}
