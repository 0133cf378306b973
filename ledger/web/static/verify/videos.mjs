// The videos of a page: short ones are checked as a whole before anything plays, long ones piece by piece as they play.

import { playWhole, silence } from "./player.mjs";
import { Refusal, Unavailable } from "./refusal.mjs";
import { Stream } from "./stream.mjs";
import { recordingOf } from "./video.mjs";

export class Videos {
  /**
   * `steps`: as the page shows them, `behind` them what was proven. `wholeBytes`: recordings up to this size are checked
   * before they play; pieces over `chunkedBytes` chunk by chunk. `facts(behind)`: what the record says; `changed()`: more is known; `refused(error)`: it is false.
   */
  constructor(page, steps, records, { wholeBytes, chunkedBytes, facts, changed, refused }) {
    Object.assign(this, { page, records, wholeBytes, chunkedBytes, facts, changed, refused });
    this.filmed = steps.filter(({ video, behind }) => video !== null && behind !== undefined);
    this.total = this.filmed.reduce((sum, { behind }) => sum + behind.envelopes.length, 0);
    this.done = new Map();
    this.missing = false;
    this.settled = false; // whether every video was begun, so that a verdict can be given
  }

  /** How many pieces hold so far. */
  get checked() {
    return [...this.done.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Whether pieces are left that will be checked as they play. */
  get unfinished() {
    return !this.missing && this.checked < this.total;
  }

  /** Check what is checked before it plays, and begin the rest. Throws the first `Refusal`. */
  async check() {
    for (const step of this.filmed) {
      try {
        await this.begin(step);
      } catch (error) {
        this.end(step, error);
        if (!(error instanceof Unavailable)) throw error;
      }
    }
    this.settled = true;
    this.tell();
  }

  async begin(step) {
    const { behind, video } = step;
    const head = this.records.find(({ entry }) => entry === behind.entries[0])?.init ?? null;
    const recording = recordingOf(behind.envelopes, head);
    const progress = (count, share = 0) => this.advance(step, count, share);
    if (recording.bytes <= this.wholeBytes) return playWhole(video, recording, progress);
    const failed = (error) => this.fail(step, error);
    return new Stream(video, recording, { chunkedBytes: this.chunkedBytes, progress, failed }).begin();
  }

  advance(step, done, share) {
    const count = step.behind.envelopes.length;
    this.done.set(step.article, done);
    const all = done === count;
    const key = share > 0 ? "more.chunks" : "more.pieces";
    const told = all ? this.facts(step.behind) : this.page.say(key, { done, count, percent: Math.floor(100 * share) });
    this.page.tellStep(step.article, all ? "holds" : "waiting", told);
    this.tell();
    this.changed();
  }

  /** A stream ended while the page was open. */
  fail(step, error) {
    this.end(step, error);
    this.tell();
    if (error instanceof Refusal) this.refused(error);
    else this.changed();
  }

  end({ article, video }, error) {
    silence(video);
    if (error instanceof Refusal) return;
    this.missing = true;
    this.page.tellStep(article, "unchecked", this.page.say("why.video-missing"));
  }

  tell() {
    const counts = { count: this.total, done: this.checked, videos: this.filmed.length };
    if (this.filmed.length === 0) this.page.tell("video", "unchecked", this.page.say("why.no-video"));
    else if (this.missing) this.page.tell("video", "unchecked", this.page.say("why.video-missing"));
    else if (this.unfinished) this.page.tell("video", "waiting", this.page.say("more.playing", counts));
    else this.page.tell("video", "holds", this.page.say("more.video", counts));
  }
}
