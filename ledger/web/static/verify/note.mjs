// Signed notes (C2SP signed-note): a text, an empty line, signature lines. Taken apart here, verified elsewhere.
// May never happen here: two spellings of one note.

import { concat, fromBase64, sha256, textOf, utf8 } from "./bytes.mjs";
import { require } from "./refusal.mjs";

const MAX_BYTES = 64 * 1024;
const MAX_SIGNATURES = 64;
const DASH = "\u2014 ";
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f]/;
const NAME = /^[^\p{C}\p{Z}+]{1,255}$/u;

/** A note: `text` (bytes, with its last newline, as it is signed) and `lines` of {name, keyId, signature}. */
export function readNote(bytes) {
  require(bytes.length <= MAX_BYTES, "NOTE_SIZE", `more than ${MAX_BYTES} bytes`);
  const whole = textOf(bytes, "NOTE_ENCODING");
  require(!CONTROL.test(whole), "NOTE_ENCODING", "a control character");
  const gap = whole.lastIndexOf("\n\n");
  require(gap > 0 && whole.endsWith("\n") && gap + 2 < whole.length, "NOTE_FORMAT", "no text, or no signature lines");
  const lines = whole.slice(gap + 2, -1).split("\n");
  require(lines.length <= MAX_SIGNATURES, "NOTE_SIZE", `more than ${MAX_SIGNATURES} signatures`);
  return { text: utf8(whole.slice(0, gap + 1)), lines: lines.map(readLine) };
}

/** A key's name as a signature line can carry it. Refuses KEY_NAME. */
export function checkName(name) {
  require(typeof name === "string" && NAME.test(name), "KEY_NAME", "not 1 to 255 printable characters");
  return name;
}

/** SHA-256(name ‖ 0x0A ‖ kind ‖ public key)[:4]: which key signed a line; a name, no authority. */
export async function keyIdOf(name, kind, publicKey) {
  return (await sha256(concat(utf8(`${name}\n`), Uint8Array.of(kind), publicKey))).slice(0, 4);
}

function readLine(line) {
  require(line.startsWith(DASH), "NOTE_FORMAT", "a signature line begins with a dash");
  const rest = line.slice(DASH.length);
  const space = rest.indexOf(" ");
  require(space >= 0 && space + 1 < rest.length, "NOTE_FORMAT", "a signature line has a name and a signature");
  const blob = fromBase64(rest.slice(space + 1));
  require(blob.length >= 5, "NOTE_FORMAT", "a signature line holds a key id and a signature");
  return { name: checkName(rest.slice(0, space)), keyId: blob.slice(0, 4), signature: blob.slice(4) };
}
