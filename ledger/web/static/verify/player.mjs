// Playing what was checked, and nothing else: the verified bytes become the player's only source.

import { fetchHead, fetchPiece } from "./video.mjs";

/** Check a whole recording and let `video` play these bytes. `progress(done)`: how many pieces hold so far. */
export async function playWhole(video, recording, progress) {
  const parts = [await fetchHead(recording)];
  for (const [done, piece] of recording.pieces.entries()) {
    parts.push(await fetchPiece(piece));
    progress(done + 1);
  }
  // In this order: while the old source stands, "auto" would make the player fetch it.
  video.src = URL.createObjectURL(new Blob(parts, { type: "video/mp4" }));
  video.preload = "auto";
}

/** Take the unchecked source away, so that nothing can play that did not hold. */
export function silence(video) {
  video.pause();
  video.removeAttribute("src");
  video.load();
}
