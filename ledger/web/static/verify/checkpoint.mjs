// Checkpoints of the log: signed by the log, cosigned by at least a quorum of the trust root's notaries
// (C2SP tlog-checkpoint and tlog-cosignature). May never happen here: counting one cosigner twice, or believing a
// checkpoint that the log itself did not sign.

import { concat, fromBase64, hexOf, sha256, same, textOf, utf8 } from "./bytes.mjs";
import { verifyEd25519 } from "./keys.mjs";
import { HASH_BYTES, MAX_SIZE } from "./merkle.mjs";
import { checkName, keyIdOf, readNote } from "./note.mjs";
import { require } from "./refusal.mjs";

const LOG = 0x01; // kinds of keys, part of the key id: one key never serves both purposes
const COSIGNER = 0x04;
const MAX_TIME = 2n ** 63n - 1n;
const SIZE = /^(?:0|[1-9][0-9]{0,18})$/;

/** {origin, size (BigInt), root} of a note's text. Refuses CHECKPOINT_FORMAT, CHECKPOINT_SIZE, CHECKPOINT_ROOT. */
export async function readCheckpoint(text) {
  const lines = textOf(text, "NOTE_ENCODING").split("\n");
  require(lines.length === 4 && lines[3] === "", "CHECKPOINT_FORMAT", "not exactly three lines");
  const [origin, size, encoded] = lines;
  require(SIZE.test(size) && BigInt(size) <= MAX_SIZE, "CHECKPOINT_SIZE", "not a size", size.slice(0, 40));
  const root = fromBase64(encoded);
  const empty = same(root, await sha256(new Uint8Array()));
  require(root.length === HASH_BYTES && (size === "0") === empty, "CHECKPOINT_ROOT", "no root of this size");
  return { origin: checkName(origin), size: BigInt(size), root };
}

/** The checkpoint of a note that the trust root's log signed. Refuses LOG_UNKNOWN, SIG_MISSING, SIG_INVALID, … */
export async function openCheckpoint(bytes, log) {
  const note = readNote(bytes);
  const checkpoint = await readCheckpoint(note.text);
  require(checkpoint.origin === log.name, "LOG_UNKNOWN", "another log than the trust root names", checkpoint.origin);
  const own = await nameOf(log, LOG);
  const lines = note.lines.filter((line) => lineName(line) === own);
  require(lines.length > 0, "SIG_MISSING", "the log's own signature is not on the checkpoint", log.name);
  require(lines.length === 1, "SIG_DUPLICATE_SIGNER", "the log signed twice", log.name);
  await verifyEd25519(log.key, note.text, lines[0].signature, log.name);
  return { checkpoint, note };
}

/**
 * Who cosigned an opened note: [{name, time (BigInt, POSIX seconds)}], at least `root.quorum` of `root.cosigners`.
 * `root.past`: the notaries of earlier epochs, whose keys count no more by themselves.
 * Refuses EPOCH_UNLINKED (a retired key's line), SIG_UNKNOWN, SIG_DUPLICATE_SIGNER, SIG_INVALID, COSIGNATURE_TIME, QUORUM_MISSING.
 */
export async function countCosigners(note, root) {
  const own = await nameOf(root.log, LOG);
  const known = new Map();
  for (const cosigner of root.cosigners) known.set(await nameOf(cosigner, COSIGNER), cosigner);
  const retired = new Set();
  for (const { cosigners } of root.past ?? []) {
    for (const cosigner of cosigners) retired.add(await nameOf(cosigner, COSIGNER));
  }
  const found = new Map();
  for (const line of note.lines) {
    if (lineName(line) === own) continue;
    const cosigner = known.get(lineName(line));
    const current = cosigner !== undefined || !retired.has(lineName(line));
    require(current, "EPOCH_UNLINKED", "a line is signed by a key that was retired", line.name);
    require(cosigner !== undefined, "SIG_UNKNOWN", "a line is signed by no cosigner of the trust root", line.name);
    require(!found.has(line.name), "SIG_DUPLICATE_SIGNER", "a cosigner signed twice", line.name);
    found.set(line.name, { name: line.name, time: await cosignedAt(line, cosigner, note.text) });
  }
  const enough = found.size >= root.quorum;
  require(enough, "QUORUM_MISSING", `${found.size} cosigned, ${root.quorum} are needed`, root.log.name);
  return [...found.values()];
}

/**
 * When the notaries had seen the log, in milliseconds: of n cosigners with a quorum q the (n - q + 1)-th earliest time,
 * which no n - q liars can move before every honest one.
 */
export function seenBy(found, { cosigners, quorum }) {
  const times = found.map(({ time }) => time).sort((a, b) => (a < b ? -1 : 1));
  return Number(times[cosigners.length - quorum] ?? times.at(-1)) * 1000;
}

async function cosignedAt(line, cosigner, text) {
  const time = line.signature.slice(0, 8).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  require(0n < time && time <= MAX_TIME, "COSIGNATURE_TIME", "no time in seconds since 1970", line.name);
  const message = concat(utf8(`cosignature/v1\ntime ${time}\n`), text);
  await verifyEd25519(cosigner.key, message, line.signature.slice(8), line.name);
  return time;
}

// Names hold no space, so a name and a key id stay apart.
const lineName = (line) => `${line.name} ${hexOf(line.keyId)}`;
const nameOf = async ({ name, key }, kind) => `${name} ${hexOf(await keyIdOf(name, kind, key))}`;
