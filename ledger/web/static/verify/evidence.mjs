// What devices said, taken apart: enrolments, envelopes, statements. Whether to believe them is for `word`.
// May never happen here: a field that is missing read as one that is empty.

import { domainSeparated, fromHex } from "./bytes.mjs";
import { canonicalBytes, parseCanonical } from "./canonical.mjs";
import { require } from "./refusal.mjs";

export const EVIDENCE_DOMAIN = "pledgetrail/evidence/v1/json";
export const DEVICE_DOMAIN = "pledgetrail/device/v1/json";

const MAX_ENVELOPE_BYTES = 2 ** 20;
const MAX_ENROLMENT_BYTES = 4 * 1024;
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

/** Milliseconds since 1970 of a time as devices write it. Refuses with `code`. */
export function timeOf(text, code) {
  const moment = isText(text) && TIME.test(text) ? Date.parse(text) : NaN;
  require(!Number.isNaN(moment), code, "not a time of the form 2026-03-01T08:00:00.000Z");
  return moment;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string" && value.length > 0;
