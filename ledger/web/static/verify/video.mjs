// The bytes of a recording: fetched once, hashed, and only then handed to the player, which gets these very bytes. A large
// piece comes chunk by chunk, each hashed against the outline that gives the signed CID.
// May never happen here: a second request for what was checked, or a piece in memory that is larger than was signed.

import { concat, same, sha256 } from "./bytes.mjs";
import { mediaOf } from "./evidence.mjs";
import { CHUNK_BYTES, checkChunk, outlineBytes, readOutline } from "./outline.mjs";
import { Unavailable, require } from "./refusal.mjs";

const MAX_INIT_BYTES = 2 ** 20;
const MAX_PIECE_BYTES = 64 * 2 ** 20; // hashed whole
const MAX_CHUNKED_BYTES = 4 * 2 ** 30; // an outline of half a megabyte

/** One recording's pieces in their order. `envelopes`: its verified statements; `init`: where the head of the file is. */
export function recordingOf(envelopes, init) {
  const order = [...envelopes].sort((a, b) => a.statement.sequence - b.statement.sequence);
  const pieces = order.map(mediaOf);
  const [first] = pieces;
  const one = pieces.every((piece) => same(piece.initSha256, first.initSha256));
  require(one && init !== null, "VIDEO_PIECES", "the pieces are not of one recording", `entry ${first.entry}`);
  return {
    pieces,
    head: { cid: init, sha256: first.initSha256, entry: first.entry },
    bytes: pieces.reduce((sum, piece) => sum + piece.size, 0),
    seconds: pieces.reduce((sum, piece) => sum + piece.durationMs, 0) / 1000,
  };
}

/** The head of the file, once its hash is the signed one. Refuses VIDEO_DIFFERS; `Unavailable` VIDEO_MISSING. */
export const fetchHead = ({ head }) => fetchChecked(head, MAX_INIT_BYTES);

/** One piece, the same way. */
export async function fetchPiece(piece) {
  require(piece.size <= MAX_PIECE_BYTES, "VIDEO_LIMIT", "a piece is too large to be checked here", `entry ${piece.entry}`);
  return fetchChecked(piece, piece.size);
}

/** A piece's chunks in their order, each once its hash is one of those that give the signed CID. One is in memory at a time. */
export async function* fetchChunks(piece) {
  const where = `entry ${piece.entry}`;
  require(piece.size <= MAX_CHUNKED_BYTES, "VIDEO_LIMIT", "a piece is too large to be checked here", where);
  const path = `/media/${piece.cid}`;
  const digests = await readOutline(await fetchBounded(`${path}/outline`, outlineBytes(piece.size), where), piece, where);
  const reader = await readerOf(path);
  try {
    let held = new Uint8Array();
    for (const [number, digest] of digests.entries()) {
      const length = Math.min(CHUNK_BYTES, piece.size - number * CHUNK_BYTES);
      held = await filled(reader, held, length);
      const chunk = held.slice(0, length);
      await checkChunk(chunk, digest, where);
      held = held.slice(length);
      yield chunk;
    }
    const over = held.length > 0 || !(await read(reader)).done;
    require(!over, "VIDEO_DIFFERS", "the video is longer than what the camera signed", where);
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** What was held with what comes, until there are `length` bytes, or nothing comes any more. */
async function filled(reader, held, length) {
  const parts = [held];
  for (let have = held.length; have < length; ) {
    const { done, value } = await read(reader);
    if (done) break;
    parts.push(value);
    have += value.length;
  }
  return parts.length === 1 ? held : concat(...parts);
}

async function fetchChecked({ cid, sha256: expected, entry }, most) {
  const bytes = await fetchBounded(`/media/${cid}`, most, `entry ${entry}`);
  const where = `entry ${entry}`;
  require(same(await sha256(bytes), expected), "VIDEO_DIFFERS", "the video is not what the camera signed", where);
  return bytes;
}

async function fetchBounded(path, most, where) {
  const parts = [];
  let length = 0;
  const reader = await readerOf(path);
  for (let next = await read(reader); !next.done && length <= most; next = await read(reader)) {
    parts.push(next.value);
    length += next.value.length;
  }
  if (length > most) reader.cancel().catch(() => undefined);
  require(length <= most, "VIDEO_DIFFERS", "the video is longer than what the camera signed", where);
  return concat(...parts);
}

async function readerOf(path) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
  } catch {
    throw new Unavailable("VIDEO_MISSING", "the video could not be loaded");
  }
  if (!answer.ok) throw new Unavailable("VIDEO_MISSING", `the video could not be loaded (${answer.status})`);
  return answer.body.getReader();
}

async function read(reader) {
  try {
    return await reader.read();
  } catch {
    throw new Unavailable("VIDEO_MISSING", "the video broke off");
  }
}
