// The bundle's file: its seal, its form, its fields (ledger/bundle/README.md). Nothing else is verified here, and the seal
// convinces nobody. May never happen here: a field that is ignored.

import { same, sha256, utf8 } from "../bytes.mjs";
import { Refusal, require } from "../refusal.mjs";
import { decode } from "./cbor.mjs";

const MAGIC = utf8("pledgetrail-bundle/1\n");
const SEAL_BYTES = 32;
export const MAX_BUNDLE_BYTES = 64 * 2 ** 20;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

// Readers: (value, where) → what is read, or a refusal.
const data = (length = null) => (value, where) => {
  const whole = value instanceof Uint8Array && (length === null || value.length === length);
  require(whole, "BUNDLE_FIELD", `${where} is not a byte string${length === null ? "" : ` of ${length} bytes`}`, where);
  return value;
};
const number = (value, where) => {
  require(typeof value === "bigint", "BUNDLE_FIELD", `${where} is not a whole number`, where);
  return value;
};
const flag = (value, where) => {
  require(typeof value === "boolean", "BUNDLE_FIELD", `${where} is neither true nor false`, where);
  return value;
};
const text = (most) => (value, where) => {
  const printable = typeof value === "string" && value !== "" && [...value].length <= most && !UNPRINTABLE.test(value);
  require(printable, "BUNDLE_FIELD", `${where} is not a printable text of 1 to ${most} characters`, where);
  return value;
};
const list = (read, most) => (value, where) => {
  require(Array.isArray(value) && value.length <= most, "BUNDLE_FIELD", `${where} is not a list of at most ${most}`, where);
  return value.map((item, place) => read(item, `${where}[${place}]`));
};
const fields = (readers, optional = {}) => (value, where) => {
  const named = value instanceof Map ? Object.keys(optional).filter((name) => value.has(name)) : [];
  const names = [...Object.keys(readers), ...named];
  const whole = value instanceof Map && value.size === names.length && names.every((name) => value.has(name));
  require(whole, "BUNDLE_FIELD", `${where || "body"} is not a map of ${names.join(", ")}`, where || "body");
  const at = (name) => (where === "" ? name : `${where}.${name}`);
  const read = (name) => (readers[name] ?? optional[name])(value.get(name), at(name));
  const absent = Object.keys(optional).filter((name) => !named.includes(name));
  return Object.fromEntries([...names.map((name) => [inCamels(name), read(name)]), ...absent.map((name) => [name, []])]);
};
// An optional list is left out, or has something in it, so that there is one form of none.
const some = (read, most) => (value, where) => {
  require(!Array.isArray(value) || value.length > 0, "BUNDLE_FIELD", `${where} is empty, and left out then`, where);
  return list(read, most)(value, where);
};
const inCamels = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

const LOG = { header: data(), proof: list(data(), 64), transaction: number, log_index: number };
const VERDICT = {
  id: data(32),
  epoch: number,
  origin_block: data(32),
  commit_block: data(32),
  commit_transaction: data(32),
  checked_from: number,
  verdict: number,
  executed: flag,
  outcome: data(32),
  policy: number,
  origin_log: number,
  commit_log: number,
};
const CROSSING = {
  sent: fields(LOG),
  attested: fields({ epoch: number, path: list(data(33), 64), signatures: data() }),
  committed: fields(LOG),
  judged: fields({ verdict: readVerdict, signatures: data(), credential: data(32) }),
};
const SHOWN = {
  seals: some(fields({ header: data(), seals: data() }), 64),
  certified: some(fields({ contract: data(20), epoch: number, signatures: data() }), 1),
};
const ERASED = { erased: some(fields({ digest: data(32), index: number, path: list(data(32), 64) }), 20_000) };
const OBJECT = { domain: text(128), salt: data(32), canonical: data(), index: number, path: list(data(32), 64) };
const LINK = { note: data(), growth: list(data(32), 64) };
const PLEDGE = { loan: data(32), crossings: list(fields(CROSSING, SHOWN), 16) };
const BODY = {
  subject: text(512),
  objects: list(fields(OBJECT), 20_000),
  note: data(),
  link: list(fields(LINK), 1),
  ...CROSSING,
  pledge: list(fields(PLEDGE), 1),
  stamp: list(data(), 1),
};
const readBody = fields(BODY, { ...ERASED, ...SHOWN });

/**
 * The bundle as a value: the body's fields in camel case; `link`, `pledge` and `stamp` are null where there is none;
 * each object's place is its `entry` (a Number), as that of each of `erased`; `bytes`: the file's length. Refuses BUNDLE_SIZE, BUNDLE_FORMAT, BUNDLE_CORRUPT, NON_CANONICAL,
 * BUNDLE_LIMIT, BUNDLE_FIELD, VERDICT_RANGE.
 */
export async function readBundle(raw) {
  require(raw.length <= MAX_BUNDLE_BYTES, "BUNDLE_SIZE", `a bundle has at most ${MAX_BUNDLE_BYTES} bytes`);
  const marked = same(raw.subarray(0, MAGIC.length), MAGIC);
  require(marked, "BUNDLE_FORMAT", "this file is no proof bundle, or one of another version");
  const body = raw.slice(MAGIC.length + SEAL_BYTES);
  const sealed = same(await sha256(body), raw.slice(MAGIC.length, MAGIC.length + SEAL_BYTES));
  require(sealed, "BUNDLE_CORRUPT", "the file was changed or cut short after it was written");
  const { link, pledge, stamp, objects, erased, ...rest } = readBody(await decode(body), "");
  const held = { link: link[0] ?? null, pledge: pledge[0] ?? null, stamp: stamp[0] ?? null };
  return { ...rest, ...held, objects: objects.map(placed), erased: erased.map(placed), bytes: raw.length };
}

/** The bundle's objects of one domain. */
export const objectsOf = ({ objects }, domain) => objects.filter((object) => object.domain === domain);

function readVerdict(value, where) {
  const read = fields(VERDICT)(value, where);
  if (read.verdict > 255n || read.policy > 255n) {
    throw new Refusal("VERDICT_RANGE", "a field of the verdict is outside its type", where);
  }
  return read;
}

function placed({ index, ...object }) {
  const safe = index <= BigInt(Number.MAX_SAFE_INTEGER);
  require(safe, "PROOF_INVALID", "the log has not so many entries", `entry ${index}`);
  return { ...object, entry: Number(index) };
}

/** The file begins as a bundle does; what else a reader may have dropped says so itself. */
export const looksLikeBundle = (raw) => same(raw.subarray(0, MAGIC.length), MAGIC);
