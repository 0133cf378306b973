// Bytes and their spellings: hexadecimal, base64, UTF-8, SHA-256. One value, one spelling; everything else is refused.

import { Refusal, Unavailable, require } from "./refusal.mjs";

const HEX = /^(?:[0-9a-f]{2})*$/;
const encoder = new TextEncoder();
// A byte order mark is kept, so that it can be refused where it stands.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of a text. */
export const utf8 = (text) => encoder.encode(text);

/** The text that bytes spell. Refuses with `code` what is not UTF-8. */
export function textOf(bytes, code) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Refusal(code, "the bytes are not UTF-8");
  }
}

/** Bytes of lower-case hexadecimal digits; `length` in bytes where it is known. Refuses with `code`. */
export function fromHex(text, code, length = null) {
  require(typeof text === "string" && HEX.test(text), code, "not lower-case hexadecimal");
  require(length === null || text.length === 2 * length, code, `not ${length} bytes`);
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** Lower-case hexadecimal digits. */
export const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Standard base64 (RFC 4648 section 4) in its one canonical form: spare bits zero, padding complete. */
export function fromBase64(text) {
  let raw = null;
  try {
    raw = atob(text);
  } catch {
    // below
  }
  require(raw !== null && btoa(raw) === text, "NOTE_BASE64", "not canonical base64");
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

/** The parts in one row. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two byte strings are one. Nothing compared here is secret. */
export const same = (left, right) => left.length === right.length && left.every((byte, at) => byte === right[at]);

/** SHA-256, 32 bytes. WebCrypto has no streaming digest, so whoever calls bounds the size first. */
export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new Unavailable("NO_CRYPTO", "this browser offers no cryptography to this page; it needs https");
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** domain ‖ 0x00 ‖ message: what is digested, and what devices sign. */
export const domainSeparated = (domain, message) => concat(utf8(domain), new Uint8Array(1), message);
