// The trust root: whom this page's checks believe, and nothing else does. Its fingerprint is what a reader compares.

import { domainSeparated, fromHex, hexOf, sha256 } from "./bytes.mjs";
import { parseCanonical } from "./canonical.mjs";
import { checkEd25519Key } from "./keys.mjs";
import { checkName } from "./note.mjs";
import { Refusal, require } from "./refusal.mjs";

const DOMAIN = "pledgetrail/trust-root/v1/json";
const FORMAT = "pledgetrail/trust-root/v1";
const MAX_BYTES = 64 * 1024;
const MAX_COSIGNERS = 60;
const FINGERPRINT_BYTES = 16;

/**
 * {log: {name, key}, cosigners: [{name, key}], quorum, fingerprint}; of the chains and contracts it also names, nothing
 * is read here. Refuses TRUST_ROOT_FORMAT, NON_CANONICAL, KEY_…, CONFIG_SET (no real quorum, or a repeated signer).
 */
export async function readTrustRoot(bytes) {
  const fields = readFields(parseCanonical(bytes, MAX_BYTES));
  const { log, cosigners, quorum } = fields;
  const count = cosigners.length;
  const most = Math.floor((2 * count) / 3) + 1 <= quorum && quorum <= count && count <= MAX_COSIGNERS;
  require(most, "CONFIG_SET", `${quorum} of ${count} cosigners is less than a quorum, or more than all`);
  const keys = new Set([log, ...cosigners].map((signer) => hexOf(signer.key)));
  const names = new Set(cosigners.map((signer) => signer.name));
  require(keys.size === count + 1 && names.size === count, "CONFIG_SET", "two cosigners share a name or a key");
  const digest = await sha256(domainSeparated(DOMAIN, bytes));
  return { ...fields, fingerprint: grouped(hexOf(digest.slice(0, FINGERPRINT_BYTES))) };
}

/** Eight groups of four digits of a fingerprint in any spacing; null when it is none. */
export function readFingerprint(text) {
  const digits = text.toLowerCase().replace(/[\s-]/g, "");
  return /^[0-9a-f]{32}$/.test(digits) ? grouped(digits) : null;
}

function readFields(top) {
  const whole = isObject(top) && top.format === FORMAT && isObject(top.log) && Array.isArray(top.cosigners);
  if (!whole || !top.cosigners.every(isObject) || !Number.isSafeInteger(top.quorum)) {
    throw new Refusal("TRUST_ROOT_FORMAT", "a field is missing or malformed");
  }
  return {
    log: signer(top.log.origin, top.log.key),
    cosigners: top.cosigners.map((one) => signer(one.name, one.key)),
    quorum: top.quorum,
  };
}

function signer(name, hex) {
  const key = fromHex(hex, "TRUST_ROOT_FORMAT");
  checkEd25519Key(key);
  return { name: checkName(name), key };
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const grouped = (digits) => digits.match(/.{4}/g).join(" ");
