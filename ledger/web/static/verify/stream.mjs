// A long recording, played piece by piece: each is fetched, hashed, and only then appended to what plays.
// May never happen here: a piece in the player before its hash was the signed one.

import { Unavailable } from "./refusal.mjs";
import { fetchHead, fetchPiece } from "./video.mjs";

const AHEAD_SECONDS = 15; // fetched before they are needed, once it plays
const BEHIND_SECONDS = 60; // kept for going back; what was dropped is fetched and hashed again
const WAKES = ["play", "timeupdate", "seeking", "waiting"];

/** Let `video` play `recording`. `progress(done)`: pieces that hold so far; `failed(error)`: why it ended. */
export class Stream {
  constructor(video, recording, { progress, failed }) {
    Object.assign(this, { video, recording, progress, failed });
    this.held = new Set(); // pieces in the player
    this.checked = new Set(); // pieces that held at least once
    this.busy = false;
    let at = 0;
    this.starts = recording.pieces.map(({ durationMs }) => (at += durationMs / 1000) - durationMs / 1000);
  }

  /** Begin: the head and the first piece are checked at once, the rest as it plays. */
  async begin() {
    const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
    const head = await fetchHead(this.recording);
    const type = `video/mp4; codecs="${codecsOf(this.recording, head)}"`;
    if (!Source?.isTypeSupported(type)) throw new Unavailable("VIDEO_FORMAT", "this browser cannot play this video");
    this.source = new Source();
    this.video.disableRemotePlayback = true; // another screen would fetch for itself
    const opened = once(this.source, "sourceopen");
    this.video.src = URL.createObjectURL(this.source);
    this.video.preload = "metadata";
    await opened;
    this.source.duration = this.recording.seconds;
    this.buffer = this.source.addSourceBuffer(type);
    this.buffer.mode = "sequence";
    await this.append(head);
    await this.load(0);
    WAKES.forEach((event) => this.video.addEventListener(event, () => this.wake()));
  }

  /** Fetch what is needed next, one piece after another. */
  async wake() {
    if (this.busy) return;
    this.busy = true;
    try {
      for (let next = this.next(); next !== null; next = this.next()) await this.load(next);
    } catch (error) {
      this.failed(error);
    } finally {
      this.busy = false;
    }
  }

  next() {
    const now = this.video.currentTime;
    const ends = ({ durationMs }, index) => this.starts[index] + durationMs / 1000;
    const wanted = this.recording.pieces.findIndex(
      (piece, index) => ends(piece, index) > now && this.starts[index] < now + AHEAD_SECONDS && !this.held.has(index),
    );
    return wanted < 0 ? null : wanted;
  }

  async load(index) {
    const piece = this.recording.pieces[index];
    const bytes = await fetchPiece(piece);
    this.checked.add(index);
    await this.drop();
    this.buffer.timestampOffset = this.starts[index];
    await this.append(bytes);
    this.held.add(index);
    this.progress(this.checked.size);
    const last = index === this.recording.pieces.length - 1;
    if (last && this.source.readyState === "open") this.source.endOfStream();
  }

  async append(bytes) {
    const done = once(this.buffer, "updateend");
    this.buffer.appendBuffer(bytes);
    await done;
  }

  /** Let go of what was played long ago, so that hours of video fit into a phone. */
  async drop() {
    const until = this.video.currentTime - BEHIND_SECONDS;
    const old = [...this.held].filter((index) => (this.starts[index + 1] ?? Infinity) <= until);
    if (old.length === 0) return;
    const done = once(this.buffer, "updateend");
    this.buffer.remove(0, Math.max(...old.map((index) => this.starts[index + 1])));
    await done;
    old.forEach((index) => this.held.delete(index));
  }
}

/** What the player must be told: the signed codec, and sound where the head of the file has some. */
function codecsOf({ pieces }, head) {
  const text = Array.from(head, (byte) => String.fromCharCode(byte)).join("");
  return text.includes("mp4a") ? `${pieces[0].codec},mp4a.40.2` : pieces[0].codec;
}

const once = (target, event) => new Promise((done) => target.addEventListener(event, done, { once: true }));
