// Deterministic CBOR (RFC 8949 section 4.2.1), of the few types a bundle needs: unsigned integers, byte and text strings,
// arrays, maps with text keys, false and true. May never happen here: a second spelling of a value, or work without bound.

import { breathe } from "../pace.mjs";
import { textOf } from "../bytes.mjs";
import { Refusal, require } from "../refusal.mjs";

const MAX_DEPTH = 8; // arrays and maps inside one another
const MAX_ITEMS = 500_000;
const [UNSIGNED, , BYTES, TEXT, ARRAY, MAP, , SIMPLE] = [0, 1, 2, 3, 4, 5, 6, 7];
const LENGTHS = { 24: 1, 25: 2, 26: 4, 27: 8 };
const CODE = "NON_CANONICAL";

/** The value that `raw`, and no other spelling, encodes; numbers as BigInt. Refuses NON_CANONICAL, BUNDLE_LIMIT. */
export async function decode(raw) {
  const reader = new Reader(raw);
  const value = await reader.item(0);
  require(reader.at === raw.length, CODE, "bytes are left over at the end", `byte ${reader.at} of the body`);
  return value;
}

class Reader {
  constructor(raw) {
    Object.assign(this, { raw, at: 0, items: 0 });
  }

  async item(depth) {
    this.items += 1;
    const bounded = this.items <= MAX_ITEMS && depth <= MAX_DEPTH;
    require(bounded, "BUNDLE_LIMIT", `more than ${MAX_ITEMS} items, or deeper than ${MAX_DEPTH}`);
    const [major, argument] = this.head();
    if (major === UNSIGNED) return argument;
    if (major === SIMPLE) return argument === 21n;
    if (major === BYTES) return this.take(argument);
    if (major === TEXT) return textOf(this.take(argument), CODE);
    await breathe();
    // Every item takes a byte at least: a count beyond what is left is refused before anything is made of it.
    const count = argument * (major === MAP ? 2n : 1n);
    require(count <= BigInt(this.raw.length - this.at), CODE, "an item reaches beyond the end");
    return major === ARRAY ? this.list(Number(argument), depth) : this.map(Number(argument), depth);
  }

  async list(count, depth) {
    const found = [];
    for (let index = 0; index < count; index++) found.push(await this.item(depth + 1));
    return found;
  }

  async map(count, depth) {
    const found = new Map();
    let last = null;
    for (let index = 0; index < count; index++) {
      const from = this.at;
      const key = await this.item(depth + 1);
      require(typeof key === "string", CODE, "a key is no text");
      const spelt = this.raw.subarray(from, this.at);
      require(last === null || precedes(last, spelt), CODE, "keys are repeated or out of order");
      last = spelt;
      found.set(key, await this.item(depth + 1));
    }
    return found;
  }

  take(length) {
    require(length <= BigInt(this.raw.length - this.at), CODE, "an item reaches beyond the end");
    const from = this.at;
    this.at += Number(length);
    return this.raw.slice(from, this.at);
  }

  /** [major type, argument]; of false and true 20 and 21. */
  head() {
    require(this.at < this.raw.length, CODE, "it ends in the middle");
    const [major, information] = [this.raw[this.at] >> 5, this.raw[this.at] & 31];
    this.at += 1;
    if (major === SIMPLE && (information === 20 || information === 21)) return [major, BigInt(information)];
    const known = [UNSIGNED, BYTES, TEXT, ARRAY, MAP].includes(major);
    if (!known) throw new Refusal(CODE, "a type that has no place here", `byte ${this.at - 1} of the body`);
    if (information < 24) return [major, BigInt(information)];
    const length = LENGTHS[information];
    const whole = length !== undefined && this.at + length <= this.raw.length;
    require(whole, CODE, "an indefinite or unfinished item");
    const argument = this.take(BigInt(length)).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const least = length === 1 ? 24n : 1n << BigInt(4 * length);
    require(argument >= least, CODE, "a length or number is not in its shortest form");
    return [major, argument];
  }
}

function precedes(left, right) {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return left[at] < right[at];
  return left.length < right.length;
}
