// What devices said, and whose key said it: enrolments, envelopes, signatures, and each device's chain of statements.
// May never happen here: a statement believed under a key that the log did not hold before it.

import { domainSeparated, fromHex, hexOf, sha256 } from "./bytes.mjs";
import { canonicalBytes, parseCanonical } from "./canonical.mjs";
import { verifyDeviceSignature } from "./keys.mjs";
import { require } from "./refusal.mjs";

export const EVIDENCE_DOMAIN = "pledgetrail/evidence/v1/json";
export const DEVICE_DOMAIN = "pledgetrail/device/v1/json";

const MAX_ENVELOPE_BYTES = 2 ** 20;
const MAX_ENROLMENT_BYTES = 4 * 1024;
const SKEW_MS = 2 * 60 * 1000; // how far a device's clock may run ahead of the notaries'
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const CID = /^b[a-z2-7]{58}$/;

/** An enrolment record: {device, algorithm, key, validFrom, validUntil (ms), entry}. Refuses DEVICE_FORMAT, … */
export function readEnrolment(record) {
  const value = parseCanonical(record.canonical, MAX_ENROLMENT_BYTES);
  const fields = isObject(value) && value.kind === "enrolment" && isText(value.device);
  require(fields, "DEVICE_FORMAT", "no enrolment of a device", `entry ${record.entry}`);
  return {
    device: value.device,
    algorithm: value.algorithm,
    key: fromHex(value.key, "DEVICE_FORMAT"),
    validFrom: timeOf(value.valid_from, "DEVICE_FORMAT"),
    validUntil: timeOf(value.valid_until, "DEVICE_FORMAT"),
    entry: record.entry,
  };
}

/** An evidence record taken apart, nothing verified: {statement, signature, message, entry}. */
export function readEnvelope(record) {
  const value = parseCanonical(record.canonical, MAX_ENVELOPE_BYTES);
  const keys = isObject(value) ? Object.keys(value).sort().join() : "";
  require(keys === "signature,statement", "ENVELOPE_FORMAT", "not a signature and a statement", `entry ${record.entry}`);
  const { statement } = value;
  const whole = isObject(statement) && isText(statement.device) && isText(statement.kind);
  const numbered = whole && Number.isSafeInteger(statement.sequence) && statement.sequence >= 1;
  require(numbered, "EVIDENCE_FIELD", "a field is missing or malformed", `entry ${record.entry}`);
  fromHex(statement.previous, "EVIDENCE_FIELD", 32);
  return {
    statement,
    signature: fromHex(value.signature, "ENVELOPE_FORMAT", 64),
    message: domainSeparated(EVIDENCE_DOMAIN, canonicalBytes(statement)),
    entry: record.entry,
  };
}

/** When a statement's subject was so: [from, until] in milliseconds since 1970. Refuses EVIDENCE_FIELD, EVIDENCE_TIME. */
export function periodOf({ statement, entry }) {
  const from = statement.recorded_from ?? statement.observed_at ?? statement.lost_from;
  const until = statement.recorded_until ?? statement.observed_at ?? statement.lost_until;
  const period = [timeOf(from, "EVIDENCE_FIELD"), timeOf(until, "EVIDENCE_FIELD")];
  const ordered = period[0] < period[1] || (period[0] === period[1] && statement.kind !== "segment");
  require(ordered, "EVIDENCE_TIME", "it ends before it begins", `entry ${entry}`);
  return period;
}

/** What a segment's statement says of its bytes. Refuses EVIDENCE_FIELD. */
export function mediaOf({ statement, entry }) {
  const { media } = statement;
  const whole = isObject(media) && Number.isSafeInteger(media.size) && media.size > 0 && CID.test(media.cid);
  const timed = whole && Number.isSafeInteger(media.duration_ms) && isText(media.codec);
  require(timed, "EVIDENCE_FIELD", "the statement names no video", `entry ${entry}`);
  return {
    cid: media.cid,
    size: media.size,
    sha256: fromHex(media.sha256, "EVIDENCE_FIELD", 32),
    initSha256: fromHex(media.init_sha256, "EVIDENCE_FIELD", 32),
    codec: media.codec,
    durationMs: media.duration_ms,
    entry,
  };
}

/**
 * Refuse unless every envelope was signed by a device enrolled before it, in its time, and each device's numbers follow
 * one another. `seenBy`: milliseconds; when the notaries had seen the log, which nothing recorded may come after.
 * Refuses DEVICE_…, EVIDENCE_…, KEY_….
 */
export async function verifyEvidence(envelopes, enrolments, seenBy) {
  const devices = new Map();
  for (const enrolment of enrolments) {
    require(!devices.has(enrolment.device), "DEVICE_REPEATED", "two keys under one name", enrolment.device);
    devices.set(enrolment.device, enrolment);
  }
  for (const envelope of envelopes) await verifyOne(envelope, devices.get(envelope.statement.device), seenBy);
  await verifyOrder(envelopes);
}

async function verifyOne(envelope, device, seenBy) {
  const where = `entry ${envelope.entry}`;
  const known = device !== undefined && device.entry < envelope.entry;
  require(known, "DEVICE_NOT_ENROLLED", "the log holds no key of this device from before it", where);
  try {
    await verifyDeviceSignature(device.algorithm, device.key, envelope.message, envelope.signature, where);
  } catch (error) {
    require(error.code !== "SIG_INVALID", "EVIDENCE_SIGNATURE", "the device's key did not sign this", where);
    throw error;
  }
  const [from, until] = periodOf(envelope);
  const valid = device.validFrom <= from && until <= device.validUntil;
  require(valid, "DEVICE_NOT_VALID", "the device was not enrolled for the time it speaks of", where);
  require(until <= seenBy + SKEW_MS, "EVIDENCE_TIME", "it speaks of a time later than the notaries saw it", where);
}

async function verifyOrder(envelopes) {
  const order = [...envelopes].sort((a, b) => a.statement.sequence - b.statement.sequence);
  const last = new Map();
  for (const envelope of order) {
    const { device, sequence, previous, recording } = envelope.statement;
    const where = `${device} number ${sequence}`;
    const before = last.get(device);
    last.set(device, envelope);
    if (before === undefined) continue;
    require(sequence !== before.statement.sequence, "EVIDENCE_FORK", "two statements of one number", where);
    if (sequence === before.statement.sequence + 1) {
      const digest = hexOf(await sha256(before.message));
      require(digest === previous, "EVIDENCE_PREVIOUS", "it does not follow the one before", where);
    } else {
      const one = recording !== undefined && recording === before.statement.recording;
      require(!one, "EVIDENCE_GAP", "a piece of the recording is missing before it", where);
    }
  }
}

function timeOf(text, code) {
  const moment = isText(text) && TIME.test(text) ? Date.parse(text) : NaN;
  require(!Number.isNaN(moment), code, "not a time of the form 2026-03-01T08:00:00.000Z");
  return moment;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string" && value.length > 0;
