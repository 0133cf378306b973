// The trust root: whom this page's checks believe, and nothing else does. Its fingerprint is what a reader compares.
// May never happen here: a field that is ignored, or a second spelling of one trust root.

import { domainSeparated, fromHex, hexOf, sha256 } from "./bytes.mjs";
import { parseCanonical } from "./canonical.mjs";
import { checkEd25519Key } from "./keys.mjs";
import { checkName } from "./note.mjs";
import { quorumOf } from "./quorum.mjs";
import { Refusal, require } from "./refusal.mjs";

export const TRUST_ROOT_DOMAIN = "pledgetrail/trust-root/v1/json";

const FORMAT = "pledgetrail/trust-root/v1";
const MAX_BYTES = 64 * 1024;
const MAX_COSIGNERS = 60;
const MAX_MEMBERS = 100;
const MIN_VALIDATORS = 4;
const MAX_PAST_EPOCHS = 128;
const FINGERPRINT_BYTES = 16;
const DATE = /^\d{4}-\d\d-\d\d$/;
const CHAIN = /^eip155:([1-9][0-9]{0,31})$/;
const TOP = ["format", "dated", "log", "cosigners", "quorum", "committee", "past", "origin", "destination", "transaction"];
const CODE = "TRUST_ROOT_FORMAT";

/**
 * {dated, log: {name, key}, pinned, past, origin, destination, transaction, …, fingerprint, bytes} of canonical bytes.
 * `pinned` and each of `past`: {epoch (BigInt), members (addresses), cosigners: [{name, key}], quorum}; those of `pinned`
 * also stand at the top. A chain: {chainId (BigInt), genesis, gateway}. `timestamping`: root
 * certificates (DER) of authorities whose timestamps count; read only where a timestamp is checked.
 * Refuses TRUST_ROOT_FORMAT, NON_CANONICAL, KEY_…, CONFIG_SET (no real quorum, or a repeated signer).
 */
export async function readTrustRoot(bytes) {
  const root = readFields(parseTop(bytes));
  const epochs = [...root.past, root.pinned];
  const rising = epochs.every(({ epoch }, at) => at === 0 || epochs[at - 1].epoch < epoch);
  require(rising && root.past.length <= MAX_PAST_EPOCHS, "CONFIG_SET", "the epochs do not rise, or are too many");
  const own = hexOf(root.log.key);
  const apart = epochs.every(({ cosigners }) => cosigners.every(({ key }) => hexOf(key) !== own));
  require(apart, "CONFIG_SET", "a cosigner has the log's key");
  const chains = [root.origin, root.destination, root.transaction].map(({ chainId }) => chainId);
  require(new Set(chains).size === 3, "CONFIG_SET", "two of the three chains have one chain id");
  const digest = await sha256(domainSeparated(TRUST_ROOT_DOMAIN, bytes));
  const { cosigners, quorum } = root.pinned;
  return { ...root, cosigners, quorum, bytes, fingerprint: grouped(hexOf(digest.slice(0, FINGERPRINT_BYTES))) };
}

/** All epochs a trust root knows, oldest first; the last is the pinned one. */
export const epochsOf = ({ past, pinned }) => [...past, pinned];

/** Eight groups of four digits of a fingerprint in any spacing; null when it is none. */
export function readFingerprint(text) {
  const digits = text.toLowerCase().replace(/[\s-]/g, "");
  return /^[0-9a-f]{32}$/.test(digits) ? grouped(digits) : null;
}

function parseTop(bytes) {
  try {
    return parseCanonical(bytes, MAX_BYTES);
  } catch (error) {
    throw error.code?.startsWith("JSON_") ? new Refusal(CODE, error.what) : error;
  }
}

function readFields(top) {
  const stamped = Object.hasOwn(Object(top), "timestamping") ? ["timestamping"] : [];
  exactly(top, [...TOP, ...stamped]);
  require(top.format === FORMAT && isDate(top.dated) && Array.isArray(top.past), CODE, "a field is malformed");
  exactly(top.log, ["origin", "key"]);
  const lending = Object.hasOwn(Object(top.destination), "loans");
  const beside = (name) => (lending ? [name] : []);
  const authorities = top.timestamping ?? null;
  const listed = authorities === null || (Array.isArray(authorities) && authorities.length > 0);
  require(listed, CODE, "timestamping lists no authority");
  return {
    dated: top.dated,
    log: signer(top.log.origin, top.log.key),
    pinned: readNotaries(top),
    past: top.past.map((each) => readNotaries(exactly(each, ["cosigners", "quorum", "committee"]))),
    origin: readChain(top.origin, ["anchor_registry", ...beside("receipts")]),
    destination: readChain(top.destination, ["anchor_mirror", ...beside("loans")]),
    transaction: readChain(top.transaction, ["registry", ...beside("goods")]),
    lending,
    timestamping: (authorities ?? []).map((each) => fromHex(each, CODE)),
  };
}

function readNotaries({ cosigners, quorum, committee }) {
  exactly(committee, ["epoch", "members"]);
  const epochal = Number.isSafeInteger(committee.epoch) && committee.epoch >= 0;
  const listed = Array.isArray(cosigners) && Array.isArray(committee.members) && Number.isSafeInteger(quorum);
  require(epochal && listed, CODE, "a field is missing or malformed");
  const members = committee.members.map((member) => prefixed(member, 20));
  const distinct = new Set(members.map(hexOf)).size === members.length && !members.some((each) => each.every((b) => b === 0));
  const sized = 4 <= members.length && members.length <= MAX_MEMBERS;
  require(sized && distinct, "CONFIG_SET", "a committee has four distinct members or more");
  const signers = cosigners.map((one) => signer(exactly(one, ["name", "key"]).name, one.key));
  const count = signers.length;
  const most = count > 0 && quorumOf(count) <= quorum && quorum <= count && count <= MAX_COSIGNERS;
  require(most, "CONFIG_SET", `${quorum} of ${count} cosigners is less than a quorum, or more than all`);
  const alone = new Set(signers.map(({ key }) => hexOf(key))).size === count;
  const named = new Set(signers.map(({ name }) => name)).size === count;
  require(alone && named, "CONFIG_SET", "two cosigners share a name or a key");
  return { epoch: BigInt(committee.epoch), members, cosigners: signers, quorum };
}

function readChain(fields, contracts) {
  const sealed = Object.hasOwn(Object(fields), "sealed") ? ["sealed"] : [];
  exactly(fields, ["chain", "genesis", "gateway", ...contracts, ...sealed]);
  const validators = sealed.length > 0 ? readValidators(fields.sealed) : null;
  const [, id] = CHAIN.exec(fields.chain) ?? [];
  require(typeof fields.chain === "string" && id !== undefined, CODE, "a chain has no name");
  const ends = { chainId: BigInt(id), genesis: prefixed(fields.genesis, 32), gateway: prefixed(fields.gateway, 20), validators };
  return { ...ends, ...Object.fromEntries(contracts.map((name) => [name, prefixed(fields[name], 20)])) };
}

/** Who seals a chain from which height on: {height (BigInt), members (addresses, ascending)}. */
function readValidators(sealed) {
  const { height, validators } = exactly(sealed, ["height", "validators"]);
  require(Number.isSafeInteger(height) && height >= 0 && Array.isArray(validators), CODE, "a field is malformed");
  const members = validators.map((each) => prefixed(each, 20));
  const written = members.map(hexOf);
  const counted = MIN_VALIDATORS <= members.length && members.length <= MAX_MEMBERS;
  const ascending = written.every((each, at) => (at === 0 ? !/^0*$/.test(each) : written[at - 1] < each));
  require(counted && ascending, "CONFIG_SET", "validators are four to a hundred, ascending, distinct and not zero");
  return { height: BigInt(height), members };
}

/** `value`, where it holds exactly these fields. */
function exactly(value, names) {
  const held = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : null;
  const whole = held !== null && held.length === names.length && names.every((name) => Object.hasOwn(value, name));
  require(whole, CODE, `it does not hold exactly ${names.join(", ")}`);
  return value;
}

function isDate(text) {
  const at = typeof text === "string" && DATE.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text) && !text.startsWith("0000");
}

function prefixed(text, length) {
  require(typeof text === "string" && text.startsWith("0x"), CODE, "a value does not begin with 0x");
  return fromHex(text.slice(2), CODE, length);
}

function signer(name, hex) {
  const key = fromHex(hex, CODE);
  checkEd25519Key(key);
  return { name: checkName(name), key };
}

const grouped = (digits) => digits.match(/.{4}/g).join(" ");
