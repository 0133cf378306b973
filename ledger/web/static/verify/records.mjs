// The records behind a page, as the server hands them out, and whether the log holds each. Bytes in; what leaves here as
// a record is proven to stand in the log under a checkpoint.

import { concat, domainSeparated, fromHex, sha256, utf8 } from "./bytes.mjs";
import { leafHash, verifyInclusion } from "./merkle.mjs";
import { breathe } from "./pace.mjs";
import { Refusal, require } from "./refusal.mjs";

export const EVENT_DOMAIN = "pledgetrail/event/v1/json";

const FORMAT = "pledgetrail/records/v1";
const MAX_RECORDS = 20_000;
const MAX_ROTATIONS = 2;
const MAX_ORDERS = 128;
const DOMAIN = /^[a-z0-9][a-z0-9./_-]{0,127}$/;
const CID = /^b[a-z2-7]{58}$/;

/** {trustRoot, rotations: [{from (bytes), orders}], note (bytes), goesOn (hashes), records} of the server's answer; nothing is believed yet. Refuses RECORDS_FORMAT. */
export function readRecords(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("not JSON");
  }
  const whole = value?.format === FORMAT && Array.isArray(value.records) && value.records.length <= MAX_RECORDS;
  const listed = value?.consistency === undefined || Array.isArray(value.consistency);
  if (!whole || !listed || typeof value.trust_root !== "string" || typeof value.checkpoint !== "string") {
    throw malformed("a field is missing or malformed");
  }
  return {
    trustRoot: utf8(value.trust_root),
    rotations: readRotations(value.rotations ?? []),
    note: utf8(value.checkpoint),
    goesOn: (value.consistency ?? []).map((node) => fromHex(node, "RECORDS_FORMAT", 32)),
    records: value.records.map(readRecord),
  };
}

/** Refuse PROOF_INVALID, RECORD_REPEATED unless the log holds every record, each once, at its place. */
export async function verifyLogged(records, checkpoint) {
  const seen = new Set();
  for (const record of records) {
    require(!seen.has(record.entry), "RECORD_REPEATED", "two records for one entry", `entry ${record.entry}`);
    seen.add(record.entry);
  }
  for (const record of records) {
    await verifyOne(record, checkpoint);
    await breathe();
  }
}

async function verifyOne(record, { size, root }) {
  const salted = concat(record.salt, record.canonical);
  const leaf = await leafHash(await sha256(domainSeparated(record.domain, salted)));
  try {
    await verifyInclusion({ leaf, index: BigInt(record.entry), size, path: record.path, root });
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(error.code, error.what, `entry ${record.entry}`) : error;
  }
}

function readRecord(value) {
  const whole = Number.isSafeInteger(value?.entry) && value.entry >= 0 && DOMAIN.test(value.domain);
  const located = value?.init === undefined || CID.test(value.init);
  if (!whole || !located || typeof value.canonical !== "string" || !Array.isArray(value.path)) {
    throw malformed("a record is malformed");
  }
  return {
    entry: value.entry,
    domain: value.domain,
    salt: fromHex(value.salt, "RECORDS_FORMAT", 32),
    canonical: utf8(value.canonical),
    path: value.path.map((node) => fromHex(node, "RECORDS_FORMAT", 32)),
    init: value.init ?? null,
  };
}

function readRotations(value) {
  const whole = Array.isArray(value) && value.length <= MAX_ROTATIONS;
  const listed = whole && value.every((each) => Array.isArray(each?.orders) && each.orders.length <= MAX_ORDERS);
  if (!listed || !value.every((each) => typeof each.from === "string")) throw malformed("rotations are malformed");
  return value.map(({ from, orders }) => ({ from: utf8(from), orders }));
}

const malformed = (what) => new Refusal("RECORDS_FORMAT", what);
