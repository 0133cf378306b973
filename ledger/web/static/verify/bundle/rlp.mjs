// Recursive Length Prefix, canonical only (Ethereum Yellow Paper, appendix B): a string is bytes, a list is an array.
// May never happen here: a second spelling of a value.

import { concat } from "../bytes.mjs";
import { require } from "../refusal.mjs";

const MAX_DEPTH = 32;
const MAX_BYTES = 16 * 2 ** 20;
const SHORT = 56; // lengths from here on are written out

/** The one item that fills `raw`. Refuses RLP_SIZE, RLP_TRAILING, RLP_DEPTH, RLP_INVALID. */
export function decode(raw, { maxDepth = MAX_DEPTH, maxBytes = MAX_BYTES } = {}) {
  require(raw.length <= maxBytes, "RLP_SIZE", `more than ${maxBytes} bytes`);
  require(raw.length > 0, "RLP_INVALID", "there is no item in an empty input");
  const { isList, start, end } = head(raw, 0, raw.length, "RLP_TRAILING");
  require(end === raw.length, "RLP_TRAILING", "the item ends before the input does");
  return isList ? listIn(raw, start, end, maxDepth) : raw.slice(start, end);
}

/** The encoding of an item. */
export function encode(item) {
  const isList = !(item instanceof Uint8Array);
  const body = isList ? concat(...item.map(encode)) : item;
  if (!isList && body.length === 1 && body[0] < 0x80) return body;
  const first = isList ? 0xc0 : 0x80;
  if (body.length < SHORT) return concat(Uint8Array.of(first + body.length), body);
  const length = minimal(BigInt(body.length));
  return concat(Uint8Array.of(first + SHORT - 1 + length.length), length, body);
}

/** How many bytes an item's encoding has. */
export function encodedLength(item) {
  if (item instanceof Uint8Array && item.length === 1 && item[0] < 0x80) return 1;
  const length = item instanceof Uint8Array ? item.length : item.reduce((sum, part) => sum + encodedLength(part), 0);
  return length < SHORT ? 1 + length : 1 + minimal(BigInt(length)).length + length;
}

/** A non-negative BigInt as scalars are written: big-endian, zero is the empty string. */
export function minimal(value) {
  const digits = [];
  for (let left = value; left > 0n; left >>= 8n) digits.unshift(Number(left & 255n));
  return Uint8Array.from(digits);
}

/** A scalar (BigInt) of at most `most` bytes. Refuses RLP_INVALID. */
export function integerOf(item, most = 32) {
  const canonical = item instanceof Uint8Array && item.length <= most && item[0] !== 0;
  require(canonical, "RLP_INVALID", "not a canonical integer");
  return item.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function listIn(raw, from, until, depth) {
  require(depth >= 1, "RLP_DEPTH", "lists nest too deep");
  const items = [];
  for (let at = from; at < until; ) {
    const { isList, start, end } = head(raw, at, until, "RLP_INVALID");
    items.push(isList ? listIn(raw, start, end, depth - 1) : raw.slice(start, end));
    at = end;
  }
  return items;
}

function head(raw, at, limit, beyond) {
  const first = raw[at];
  if (first < 0x80) return { isList: false, start: at, end: at + 1 };
  const isList = first >= 0xc0;
  const length = first - (isList ? 0xc0 : 0x80);
  if (length < SHORT) return within(raw, { isList, start: at + 1, end: at + 1 + length }, limit, beyond);
  const start = at + 1 + length - SHORT + 1;
  const digits = raw.slice(at + 1, start);
  const long = digits.reduce((sum, byte) => sum * 256 + byte, 0);
  const shortest = start > limit || (digits[0] !== 0 && long >= SHORT);
  require(shortest, "RLP_INVALID", "a length is not in its shortest form", `byte ${at}`);
  return within(raw, { isList, start, end: start + long }, limit, beyond);
}

function within(raw, item, limit, beyond) {
  const { isList, start, end } = item;
  require(end <= limit, beyond, "an item ends beyond the input", `byte ${start}`);
  const alone = isList || end - start !== 1 || raw[start] >= 0x80;
  require(alone, "RLP_INVALID", "a single byte is spelled as a string", `byte ${start}`);
  return item;
}
