// A long recording, played piece by piece: each is fetched, hashed, and only then appended to what plays; a large piece chunk
// by chunk. May never happen here: bytes in the player before their hash was a signed one.

import { Unavailable } from "./refusal.mjs";
import { fetchChunks, fetchHead, fetchPiece } from "./video.mjs";

const AHEAD_SECONDS = 15; // fetched before they are needed, once it plays
const BEHIND_SECONDS = 60; // kept for going back; what was dropped is fetched and hashed again
const STRIDE_SECONDS = 10; // dropped at once
const SLACK_SECONDS = 0.2; // frames do not begin on the piece's millisecond
const WAKES = ["play", "timeupdate", "seeking", "waiting"];

/**
 * Let `video` play `recording`. `chunkedBytes`: larger pieces are checked chunk by chunk; `progress(done, share)`: pieces that hold
 * so far, and how much of the next; `failed(error)`: why it ended.
 */
export class Stream {
  constructor(video, recording, { chunkedBytes, progress, failed }) {
    Object.assign(this, { video, recording, chunkedBytes, progress, failed });
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
    // A large first piece is checked as far ahead as it will be played, and the page goes on meanwhile.
    if (this.isLarge(0)) this.wake();
    else await this.load(0);
    this.video.addEventListener("seeking", () => this.forgetMissing());
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
    if (this.isLarge(index)) {
      if (!(await this.loadChunks(index))) return;
    } else {
      const bytes = await fetchPiece(this.recording.pieces[index]);
      await this.drop();
      this.buffer.timestampOffset = this.starts[index];
      await this.append(bytes);
    }
    this.checked.add(index);
    this.held.add(index);
    this.progress(this.checked.size);
    const last = index === this.recording.pieces.length - 1;
    if (last && this.source.readyState === "open") this.source.endOfStream();
  }

  /** Append a large piece as its chunks hold, no further ahead than it is played; whether all of it was. */
  async loadChunks(index) {
    const { size } = this.recording.pieces[index];
    let appended = 0;
    for await (const chunk of fetchChunks(this.recording.pieces[index])) {
      await this.room();
      if (this.isElsewhere(index)) {
        if (this.source.readyState === "open") this.buffer.abort(); // what came of it stays, and is fetched again when needed
        return false;
      }
      await this.drop();
      if (appended === 0) this.buffer.timestampOffset = this.starts[index];
      await this.append(chunk);
      appended += chunk.length;
      if (appended < size) this.progress(this.checked.size, appended / size);
    }
    return true;
  }

  /** Wait while more is ahead than will soon be played. */
  async room() {
    while (this.isBuffered(this.video.currentTime) && this.ahead() > AHEAD_SECONDS) {
      await anyOf(this.video, WAKES);
    }
  }

  ahead() {
    const { buffered, currentTime } = this.video;
    return (buffered.length === 0 ? 0 : buffered.end(buffered.length - 1)) - currentTime;
  }

  isLarge(index) {
    return this.recording.pieces[index].size > this.chunkedBytes;
  }

  isBuffered(time) {
    const { buffered } = this.video;
    return Array.from(buffered, (_, at) => buffered.start(at) - SLACK_SECONDS <= time && time <= buffered.end(at)).some(Boolean);
  }

  /** Whether the reader went to another piece that is not there yet. */
  isElsewhere(index) {
    const now = this.pieceAt(this.video.currentTime);
    return now !== index && !this.held.has(now);
  }

  pieceAt(time) {
    return Math.max(0, this.starts.findLastIndex((start) => start <= time));
  }

  /** Of a large piece the beginning may be gone: going back there asks for it again. */
  forgetMissing() {
    if (!this.isBuffered(this.video.currentTime)) this.held.delete(this.pieceAt(this.video.currentTime));
  }

  async append(bytes) {
    const done = once(this.buffer, "updateend");
    try {
      this.buffer.appendBuffer(bytes);
    } catch (error) {
      throw error.name === "QuotaExceededError" ? new Unavailable("VIDEO_LIMIT", "this browser holds no more of it") : error;
    }
    await done;
  }

  /** Let go of what was played long ago, so that hours of video fit into a phone. */
  async drop() {
    const until = this.video.currentTime - BEHIND_SECONDS;
    const { buffered } = this.video;
    if (until <= 0 || buffered.length === 0 || buffered.start(0) + STRIDE_SECONDS > until) return;
    const done = once(this.buffer, "updateend");
    this.buffer.remove(0, until);
    await done;
    const gone = [...this.held].filter((index) => this.starts[index] < until);
    gone.filter((index) => index !== this.pieceAt(this.video.currentTime)).forEach((index) => this.held.delete(index));
  }
}

/** What the player must be told: the signed codec, and sound where the head of the file has some. */
function codecsOf({ pieces }, head) {
  const text = Array.from(head, (byte) => String.fromCharCode(byte)).join("");
  return text.includes("mp4a") ? `${pieces[0].codec},mp4a.40.2` : pieces[0].codec;
}

/** Wait for the first of some events, and listen for none of them any longer. */
async function anyOf(target, events) {
  const over = new AbortController();
  await new Promise((done) => events.forEach((event) => target.addEventListener(event, done, { signal: over.signal })));
  over.abort();
}

const once = (target, event) => new Promise((done) => target.addEventListener(event, done, { once: true }));
