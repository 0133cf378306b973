// X.509 certificates (RFC 5280) of timestamping authorities, and whether a chain of them leads to a root at a given time.
// May never happen here: an authority's certificate that is for something else, or a certificate that signs others though it
// may not. Whether one was withdrawn nobody can say offline.

import { same, textOf } from "../bytes.mjs";
import { Unavailable, require } from "../refusal.mjs";
import {
  BITS, BOOLEAN, Fields, INTEGER, OCTETS, OID, SEQUENCE, bitsOf, flagOf, integerBytes, itemsOf, momentOf,
  namedBits, oidOf, readDer, setOf, smallInteger, tagged,
} from "./der.mjs";
import { readAlgorithm, signedBy } from "./signature.mjs";

const MAX_CHAIN = 8; // certificates from the authority's own to the root
const [SUBJECT_KEY, KEY_USAGE, BASIC, AUTHORITY_KEY, EXTENDED] =
  ["2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.35", "2.5.29.37"];
const HEEDED = [KEY_USAGE, BASIC, EXTENDED, SUBJECT_KEY, AUTHORITY_KEY, "2.5.29.17", "2.5.29.31", "2.5.29.32"];
const NARROWING = ["2.5.29.30", "2.5.29.33", "2.5.29.36", "2.5.29.54"]; // names and policies: for the full check
const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
const [SIGNS, COMMITS, SIGNS_CERTIFICATES] = [0, 1, 5]; // bits of the key usage
const ATTRIBUTES = {
  "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
};

/** A certificate; times in milliseconds, names as their encodings. Refuses STAMP_FORMAT. */
export function readCertificate(element) {
  const whole = new Fields(element);
  const own = whole.take(SEQUENCE);
  const algorithm = whole.take(SEQUENCE);
  const signature = bitsOf(whole.take(BITS));
  whole.end();
  const fields = new Fields(own);
  const version = fields.maybe(tagged(0));
  const serial = integerBytes(fields.take(INTEGER));
  const stated = fields.take(SEQUENCE);
  require(same(stated.raw, algorithm.raw), "STAMP_FORMAT", "a certificate names two algorithms");
  const issuer = fields.take(SEQUENCE).raw;
  const period = itemsOf(fields.take(SEQUENCE)).map(momentOf);
  require(period.length === 2, "STAMP_FORMAT", "a certificate has no period");
  const subject = fields.take(SEQUENCE).raw;
  const key = readKey(fields.take(SEQUENCE));
  [1, 2].forEach((unique) => fields.maybe(tagged(unique, false)));
  const extensions = readExtensions(fields.maybe(tagged(3)));
  fields.end();
  const first = version === null;
  require(first || smallInteger(readDer(version.body)) > 0, "STAMP_FORMAT", "a certificate's version is spelt out");
  return {
    raw: element.raw, own: own.raw, algorithm: readAlgorithm(algorithm), signature,
    serial, issuer, subject, from: period[0], until: period[1], key, extensions, first,
  };
}

/**
 * Whether `leaf` was an authority for timestamps at `at` (ms), by a chain through `between` to `root`. `Unavailable`
 * STAMP_ALGORITHM where that takes what is not known here.
 */
export async function leadsTo(leaf, between, root, at) {
  if (!stamps(leaf) || !isSelfIssued(root)) return false;
  let [current, below, left] = [leaf, 0, between];
  for (let length = 0; length < MAX_CHAIN; length++) {
    if (!holdsAt(current, at)) return false;
    if (same(current.raw, root.raw)) return true;
    if (await issued(root, current, below)) return holdsAt(root, at);
    const above = await firstOf(left, current, below);
    if (above === null) return false;
    if (!isSelfIssued(above)) below += 1;
    [current, left] = [above, left.filter((each) => each !== above)];
  }
  return false;
}

/** A name for people (RFC 4514): the most particular part first. */
export function nameOf(subject) {
  const parts = itemsOf(readDer(subject)).map((part) => setOf(part).map(attributeOf).join("+"));
  return parts.reverse().join(",");
}

async function firstOf(candidates, child, below) {
  for (const each of candidates) if (await issued(each, child, below)) return each;
  return null;
}

/** Whether `parent` may issue, and did issue `child`; `below`: how many certificates of issuers already follow. */
async function issued(parent, child, below) {
  if (!same(child.issuer, parent.subject) || !mayIssue(parent, below) || !isNamedBy(child, parent)) return false;
  return signedBy(parent.key, child.algorithm, null, child.own, child.signature);
}

/** Where the child names its issuer's key or number, they are this parent's. */
function isNamedBy(child, parent) {
  const naming = child.extensions.get(AUTHORITY_KEY);
  if (naming === undefined) return true;
  const fields = new Fields(naming.value);
  const key = fields.maybe(tagged(0, false));
  fields.maybe(tagged(1));
  const serial = fields.maybe(tagged(2, false));
  fields.end();
  const held = parent.extensions.get(SUBJECT_KEY)?.value.body;
  const keyed = key === null || held === undefined || same(key.body, held);
  return keyed && (serial === null || same(serial.body, parent.serial));
}

function mayIssue({ extensions, first, ...names }, below) {
  if (first) return isSelfIssued(names); // of before there were extensions
  const basic = extensions.get(BASIC);
  if (basic === undefined) return false;
  const fields = new Fields(basic.value);
  const flag = fields.maybe(BOOLEAN);
  const most = fields.maybe(INTEGER);
  fields.end();
  const usage = extensions.get(KEY_USAGE);
  const signs = usage === undefined || namedBits(usage.value)(SIGNS_CERTIFICATES);
  return flag !== null && flagOf(flag) && signs && (most === null || below <= smallInteger(most));
}

/** Whether a certificate is for timestamps and for nothing else (RFC 3161 section 2.3). */
function stamps({ extensions }) {
  const extended = extensions.get(EXTENDED);
  const only = extended?.critical === true && itemsOf(extended.value).map(oidOf).join() === TIME_STAMPING;
  const usage = extensions.get(KEY_USAGE);
  if (usage === undefined) return only;
  const bits = namedBits(usage.value);
  const others = Array.from({ length: 9 }, (_, bit) => bit).filter((bit) => bit !== SIGNS && bit !== COMMITS);
  return only && (bits(SIGNS) || bits(COMMITS)) && !others.some(bits);
}

const isSelfIssued = ({ issuer, subject }) => same(issuer, subject);

function holdsAt({ from, until, extensions }, at) {
  const critical = [...extensions].filter(([, each]) => each.critical).map(([oid]) => oid);
  const narrowing = critical.find((oid) => NARROWING.includes(oid));
  if (narrowing !== undefined) throw new Unavailable("STAMP_ALGORITHM", `not checked here: extension ${narrowing}`);
  const second = Math.floor(at / 1000) * 1000;
  return from <= second && second < until && // the last second counts no more, as OpenSSL has it
     critical.every((oid) => HEEDED.includes(oid));
}

function readKey(element) {
  const fields = new Fields(element);
  const algorithm = readAlgorithm(fields.take(SEQUENCE));
  bitsOf(fields.take(BITS));
  fields.end();
  return { raw: element.raw, algorithm };
}

function readExtensions(element) {
  const found = new Map();
  if (element === null) return found;
  for (const item of itemsOf(readDer(element.body))) {
    const fields = new Fields(item);
    const oid = oidOf(fields.take(OID));
    const critical = fields.maybe(BOOLEAN);
    const { body } = fields.take(OCTETS);
    fields.end();
    require(!found.has(oid), "STAMP_FORMAT", "an extension is repeated");
    found.set(oid, { critical: critical !== null && flagOf(critical), value: HEEDED.includes(oid) ? readDer(body) : null });
  }
  return found;
}

function attributeOf(element) {
  const fields = new Fields(element);
  const oid = oidOf(fields.take(OID));
  const { body } = fields.any();
  fields.end();
  return `${ATTRIBUTES[oid] ?? oid}=${textOf(body, "STAMP_FORMAT").replace(/[,+"\\<>;]/g, "\\$&")}`;
}
