// Whether to believe the devices: each enrolled before it spoke, not revoked, each statement signed, in its time and in
// its place in the device's row. The log takes some statements with a finding, such as a clock that was wrong: those
// hold only with that finding beside them. May never happen here: passing over what no finding answers for.

import { hexOf, sha256 } from "./bytes.mjs";
import { parseCanonical } from "./canonical.mjs";
import { mediaOf, periodOf, timeOf } from "./evidence.mjs";
import { verifyDeviceSignature } from "./keys.mjs";
import { breathe } from "./pace.mjs";
import { require } from "./refusal.mjs";

export const FINDING_DOMAIN = "pledgetrail/finding/v1/json";
export const ORDER_DOMAIN = "pledgetrail/device-order/v1/json";

const MAX_FINDING_BYTES = 16 * 1024;
const MAX_ORDER_BYTES = 4 * 1024;
const SKEW_MS = 2 * 60 * 1000; // how far a device's clock may run ahead of the notaries'
const SLACK_MS = 1000; // frames do not end on the clock's millisecond
// With one of these a statement was taken although it does not follow the one before.
export const ORDERLY = ["GAP", "CHAIN_BROKEN", "COUNTER_ROLLBACK"];
const CLOCK = ["UNTRUSTED_TIME"];

/** A finding that the log holds: {code, device, sequence, entry}. Refuses FINDING_FORMAT, NON_CANONICAL. */
export function readFinding({ canonical, entry }) {
  const { kind, code, device, sequence } = parseCanonical(canonical, MAX_FINDING_BYTES) ?? {};
  // A number spelled as text would compare like one, and answer for a place that it is never shown beside.
  const numbered = sequence === null || Number.isSafeInteger(sequence);
  const whole = numbered && kind === "finding" && typeof code === "string" && typeof device === "string";
  require(whole, "FINDING_FORMAT", "no finding about a device", `entry ${entry}`);
  return { code, device, sequence, entry };
}

/** What the operator said of a device: {kind, device, at (ms), entry}. Refuses DEVICE_ORDER, NON_CANONICAL. */
export function readOrder({ canonical, entry }) {
  const { kind, device, at } = parseCanonical(canonical, MAX_ORDER_BYTES) ?? {};
  const whole = ["revocation", "release"].includes(kind) && typeof device === "string";
  require(whole, "DEVICE_ORDER", "no order about a device", `entry ${entry}`);
  return { kind, device, at: timeOf(at, "DEVICE_ORDER"), entry };
}

/**
 * Refuse unless every envelope holds. `logged`: {enrolments, findings, orders, seenBy}; `seenBy`: milliseconds, when the
 * notaries had seen the log; `erased`, in bundles: entries of statements that were erased, of which as many may be missing
 * inside a recording, each such place pushed to `breaks`. Returns the findings that are about these statements.
 * Refuses DEVICE_…, EVIDENCE_…, KEY_….
 */
export async function verifyWord(envelopes, logged) {
  const devices = new Map();
  for (const enrolment of logged.enrolments) {
    require(!devices.has(enrolment.device), "DEVICE_REPEATED", "two keys under one name", enrolment.device);
    devices.set(enrolment.device, enrolment);
  }
  const rows = new Map();
  for (const envelope of envelopes) {
    const { device } = envelope.statement;
    if (!rows.has(device)) rows.set(device, []);
    rows.get(device).push(envelope);
  }
  for (const [name, row] of rows) {
    row.sort((a, b) => a.entry - b.entry);
    for (const envelope of row) {
      await verifyOne(envelope, devices.get(name), logged);
      await breathe();
    }
    await verifyRow(row, logged);
  }
  return logged.findings.filter((finding) => isAbout(finding, rows.get(finding.device) ?? []));
}

/** Whether a finding is about one of these envelopes of its device, or about a loss between two of them. */
export function isAbout({ code, sequence }, envelopes) {
  if (sequence === null) return false;
  const numbers = envelopes.map(({ statement }) => statement.sequence);
  const between = numbers.some((number) => number < sequence) && numbers.some((number) => number > sequence);
  return numbers.includes(sequence) || (between && ORDERLY.includes(code));
}

async function verifyOne(envelope, device, logged) {
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
  const revoked = logged.orders.some(
    ({ kind, device: name, at, entry }) =>
      kind === "revocation" && name === device.device && (envelope.entry > entry || until > at),
  );
  require(!revoked, "DEVICE_REVOKED", "the device's key was revoked", where);
  verifyTimes(envelope, device, { from, until, ...logged }, where);
}

function verifyTimes(envelope, device, { from, until, seenBy, findings }, where) {
  if (envelope.statement.kind === "segment") {
    const shown = Math.abs(until - from - mediaOf(envelope).durationMs);
    require(shown <= SLACK_MS, "EVIDENCE_TIME", "its video is longer or shorter than the time it claims", where);
  }
  const { validFrom, validUntil } = device;
  const answered = answers(findings, CLOCK, device.device, envelope.statement.sequence);
  const valid = answered ? validFrom <= seenBy && seenBy < validUntil : validFrom <= from && until <= validUntil;
  require(valid, "DEVICE_NOT_VALID", "the device was not enrolled for the time it speaks of", where);
  const timely = answered || until <= seenBy + SKEW_MS;
  require(timely, "EVIDENCE_TIME", "it speaks of a time later than the notaries saw it", where);
}

/** One device's statements in the order of their entries. */
async function verifyRow(row, { findings, erased = [], breaks = [] }) {
  const recordings = new Set();
  let [last, trustedUntil] = [null, -Infinity];
  for (const envelope of row) {
    const { device, sequence, previous, recording } = envelope.statement;
    const where = `entry ${envelope.entry}`;
    const number = last?.statement.sequence ?? null;
    const anew = number === null || sequence > number + 1 || answers(findings, ORDERLY, device, sequence);
    if (!anew) {
      require(sequence !== number, "EVIDENCE_FORK", "two statements of one number", where);
      require(sequence > number, "EVIDENCE_REPEATED", "a number that was used before", where);
      const digest = hexOf(await sha256(last.message));
      require(digest === previous, "EVIDENCE_PREVIOUS", "it does not follow the one before", where);
    } else if (number !== null && recordings.has(recording)) {
      const told = answers(findings, ORDERLY, device, sequence, number + 1);
      const between = erased.filter((entry) => last.entry < entry && entry < envelope.entry).length;
      const gone = !told && 0 < sequence - number - 1 && sequence - number - 1 <= between;
      if (gone) breaks.push({ device, number: number + 1 });
      require(told || gone, "EVIDENCE_GAP", "a piece of the recording is missing before it", where);
    }
    const [from, until] = periodOf(envelope);
    const doubted = answers(findings, CLOCK, device, sequence);
    require(doubted || from >= trustedUntil, "EVIDENCE_TIME", "it begins before the one before it ends", where);
    if (!doubted) trustedUntil = until;
    if (recording !== undefined) recordings.add(recording);
    last = envelope;
    await breathe();
  }
}

/** Whether the log holds a finding of one of `codes` about a number from `first` to `until`. */
function answers(findings, codes, name, until, first = until) {
  return findings.some(
    ({ code, device, sequence }) =>
      codes.includes(code) && device === name && first <= sequence && sequence <= until,
  );
}
