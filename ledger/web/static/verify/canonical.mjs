// JSON with one spelling (RFC 8785): bytes that do not write back exactly as they were read are refused.
// That catches a repeated key, a space, another order, NaN, a long number and half a surrogate pair at once.

import { textOf, utf8 } from "./bytes.mjs";
import { Refusal, require } from "./refusal.mjs";

const MAX_DEPTH = 64; // arrays and objects inside one another
const EXPONENT_FROM = 1e21; // larger numbers are written with an exponent, which every reader takes for a double
const HALF_PAIR = /\p{Surrogate}/u;

/** The value that canonical bytes spell. Refuses JSON_SIZE, JSON_SYNTAX, JSON_DEPTH, NON_CANONICAL. */
export function parseCanonical(bytes, maxBytes) {
  require(bytes.length <= maxBytes, "JSON_SIZE", `more than ${maxBytes} bytes`);
  const text = textOf(bytes, "NON_CANONICAL");
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal("JSON_SYNTAX", "not JSON");
  }
  require(canonicalText(value) === text, "NON_CANONICAL", "JSON in another spelling than the one that is signed");
  return value;
}

/** The RFC 8785 text of a value that `JSON.parse` made. */
export function canonicalText(value, depth = 0) {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return numeral(value);
  if (value === null || typeof value === "boolean") return String(value);
  require(depth < MAX_DEPTH, "JSON_DEPTH", `nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item, depth + 1)).join(",")}]`;
  // The default order is that of UTF-16 code units, as RFC 8785 section 3.2.3 asks.
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${quoted(key)}:${canonicalText(value[key], depth + 1)}`).join(",")}}`;
}

/** The same as bytes: what devices sign and what the log digests. */
export const canonicalBytes = (value) => utf8(canonicalText(value));

function quoted(text) {
  require(!HALF_PAIR.test(text), "NON_CANONICAL", "half a surrogate pair");
  return JSON.stringify(text);
}

function numeral(number) {
  const size = Math.abs(number);
  const safe = Number.isFinite(number) && (size <= Number.MAX_SAFE_INTEGER || size >= EXPONENT_FROM);
  require(safe, "NON_CANONICAL", "a number that readers disagree about");
  return JSON.stringify(number);
}
