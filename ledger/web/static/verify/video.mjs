// The bytes of a recording: fetched once, hashed, and only then handed to the player, which gets these very bytes.
// May never happen here: a second request for what was checked, or a piece in memory that is larger than was signed.

import { concat, same, sha256 } from "./bytes.mjs";
import { mediaOf } from "./evidence.mjs";
import { Unavailable, require } from "./refusal.mjs";

const MAX_INIT_BYTES = 2 ** 20;
const MAX_PIECE_BYTES = 64 * 2 ** 20;

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

async function fetchChecked({ cid, sha256: expected, entry }, most) {
  const bytes = await fetchBounded(`/media/${cid}`, most, `entry ${entry}`);
  const where = `entry ${entry}`;
  require(same(await sha256(bytes), expected), "VIDEO_DIFFERS", "the video is not what the camera signed", where);
  return bytes;
}

async function fetchBounded(path, most, where) {
  const parts = [];
  let length = 0;
  try {
    const answer = await fetch(path, { credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
    if (!answer.ok) throw new Unavailable("VIDEO_MISSING", `the video could not be loaded (${answer.status})`);
    const reader = answer.body.getReader();
    for (let next = await reader.read(); !next.done && length <= most; next = await reader.read()) {
      parts.push(next.value);
      length += next.value.length;
    }
    if (length > most) reader.cancel().catch(() => undefined);
  } catch (error) {
    throw error instanceof Unavailable ? error : new Unavailable("VIDEO_MISSING", "the video could not be loaded");
  }
  require(length <= most, "VIDEO_DIFFERS", "the video is longer than what the camera signed", where);
  return concat(...parts);
}
