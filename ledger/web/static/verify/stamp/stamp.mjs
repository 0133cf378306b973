// RFC 3161 timestamps: an authority outside says that these bytes were there by then. Judged as `ledger.timestamp` does, with
// its codes: the authority's certificate counts at the time it states, so that one that expired since does not undo the stamp.
// May never happen here: a time that no root of the trust root vouches for, or a stamp of other bytes; an authority that
// nobody named told as a stamp that was changed.

import { concat, same, textOf } from "../bytes.mjs";
import { Refusal, Unavailable, require } from "../refusal.mjs";
import { leadsTo, nameOf, readCertificate } from "./certificate.mjs";
import {
  BITS, Fields, GENERAL_TIME, INTEGER, OCTETS, OID, SEQUENCE, SET, UTF8, expect, integerBytes, itemsOf, momentOf, oidOf,
  readDer, setOf, smallInteger, tagged,
} from "./der.mjs";
import { digested, hashOf, readAlgorithm, signedBy } from "./signature.mjs";

const MAX_STAMP_BYTES = 64 * 1024;
const MAX_CERTIFICATES = 16;
const [SIGNED_DATA, STAMP_INFO] = ["1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"];
const [CONTENT_TYPE, MESSAGE_DIGEST] = ["1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"];
const GRANTED = 0;

/**
 * {time (ms), authority (its root's name)} of a response (DER) over `message`; `roots`: certificates in DER.
 * Refuses STAMP_UNEXPECTED (no roots), STAMP_FORMAT, STAMP_AUTHORITY (a root that is no certificate), STAMP_UNTRUSTED (no root
 * vouches for the signer at that time), STAMP_INVALID (another message, not granted, a signature that does not hold);
 * `Unavailable` STAMP_ALGORITHM, NO_CRYPTO.
 */
export async function verifyStamp(raw, message, roots) {
  require(roots.length > 0, "STAMP_UNEXPECTED", "the trust root names no authority for timestamps");
  require(raw.length <= MAX_STAMP_BYTES, "STAMP_FORMAT", `a timestamp has at most ${MAX_STAMP_BYTES} bytes`);
  if (!globalThis.crypto?.subtle) throw new Unavailable("NO_CRYPTO", "this browser offers no cryptography to this page");
  const { status, signed } = readResponse(raw);
  require(status === GRANTED, "STAMP_INVALID", "the authority did not grant it");
  const told = readInfo(signed.content);
  require(signed.signers.length === 1, "STAMP_INVALID", "a timestamp has one signer");
  const [signer] = signed.signers.map(readSigner);
  const leaf = signed.certificates.find(({ issuer, serial }) => same(issuer, signer.issuer) && same(serial, signer.serial));
  require(leaf !== undefined, "STAMP_INVALID", "the signer's certificate is not beside the signature");
  const authority = await vouching(roots.map(readRoot), leaf, signed.certificates, told.time);
  require(authority !== null, "STAMP_UNTRUSTED", "no authority of the trust root vouches for it at that time");
  await requireSignature(signed, signer, leaf);
  const own = await digested(told.hash, message);
  require(same(own, told.digest), "STAMP_INVALID", "the timestamp is of other bytes");
  return { time: told.time, authority: nameOf(authority.subject) };
}

async function vouching(roots, leaf, certificates, time) {
  let missing = null;
  for (const root of roots) {
    try {
      if (await leadsTo(leaf, certificates.filter((each) => each !== leaf), root, time)) return root;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      missing = error; // another root may vouch for it all the same
    }
  }
  if (missing !== null) throw missing;
  return null;
}

/** That the content's digest is among what was signed, and that the certificate's key signed that (RFC 5652 section 5.4). */
async function requireSignature({ content, digests }, { attributes, digest, algorithm, signature }, { key }) {
  const hash = hashOf(digest);
  require(digests.includes(digest.oid), "STAMP_INVALID", "the signer's digest is not among those named");
  const attributed = new Map(setOf(attributes, tagged(0)).map(readAttribute));
  const [type, stated] = [attributed.get(CONTENT_TYPE), attributed.get(MESSAGE_DIGEST)];
  const whole = type?.tag === OID && stated?.tag === OCTETS && oidOf(type) === STAMP_INFO;
  require(whole, "STAMP_INVALID", "what is signed does not say what it is of");
  const own = await digested(hash, content);
  require(same(own, stated.body), "STAMP_INVALID", "the content is not what was signed");
  // What is signed has the tag of a set, in place of the one under which it stands.
  const held = await signedBy(key, algorithm, hash, concat(Uint8Array.of(SET), attributes.raw.slice(1)), signature);
  require(held, "STAMP_INVALID", "the authority's key did not sign it");
}

function readResponse(raw) {
  const fields = new Fields(readDer(raw));
  const info = new Fields(fields.take(SEQUENCE));
  const status = smallInteger(info.take(INTEGER));
  const said = info.maybe(SEQUENCE);
  if (said !== null) itemsOf(said).forEach((each) => textOf(expect(each, UTF8).body, "STAMP_FORMAT"));
  info.maybe(BITS);
  info.end();
  const token = new Fields(fields.take(SEQUENCE));
  fields.end();
  const type = oidOf(token.take(OID));
  require(type === SIGNED_DATA, "STAMP_FORMAT", "the token is no signed data");
  const inner = token.take(tagged(0));
  token.end();
  return { status, signed: readSigned(readDer(inner.body)) };
}

function readSigned(element) {
  const fields = new Fields(element);
  smallInteger(fields.take(INTEGER));
  const digests = setOf(fields.take(SET)).map((each) => readAlgorithm(each).oid);
  const held = new Fields(fields.take(SEQUENCE));
  const type = oidOf(held.take(OID));
  require(type === STAMP_INFO, "STAMP_FORMAT", "the token is about something else than a time");
  const content = expect(readDer(held.take(tagged(0)).body), OCTETS).body;
  held.end();
  const listed = fields.maybe(tagged(0));
  const certificates = listed === null ? [] : setOf(listed, tagged(0));
  require(certificates.length <= MAX_CERTIFICATES, "STAMP_FORMAT", "too many certificates");
  fields.maybe(tagged(1));
  const signers = setOf(fields.take(SET));
  fields.end();
  return { digests, content, certificates: certificates.map(readCertificate), signers };
}

function readInfo(content) {
  const fields = new Fields(readDer(content));
  require(smallInteger(fields.take(INTEGER)) === 1, "STAMP_FORMAT", "a timestamp of another version");
  fields.maybe(OID);
  const imprint = new Fields(fields.take(SEQUENCE));
  const hash = hashOf(readAlgorithm(imprint.take(SEQUENCE)));
  const digest = imprint.take(OCTETS).body;
  imprint.end();
  integerBytes(fields.take(INTEGER));
  return { hash, digest, time: momentOf(fields.take(GENERAL_TIME)) };
}

function readSigner(element) {
  const fields = new Fields(element);
  smallInteger(fields.take(INTEGER));
  const named = new Fields(fields.take(SEQUENCE));
  const issuer = named.take(SEQUENCE).raw;
  const serial = integerBytes(named.take(INTEGER));
  named.end();
  const digest = readAlgorithm(fields.take(SEQUENCE));
  const attributes = fields.maybe(tagged(0));
  require(attributes !== null, "STAMP_INVALID", "nothing says what was signed");
  const algorithm = readAlgorithm(fields.take(SEQUENCE));
  const signature = fields.take(OCTETS).body;
  fields.maybe(tagged(1));
  fields.end();
  return { issuer, serial, digest, attributes, algorithm, signature };
}

/** [its kind, its one value]. */
function readAttribute(element) {
  const fields = new Fields(element);
  const oid = oidOf(fields.take(OID));
  const values = setOf(fields.take(SET));
  fields.end();
  require(values.length === 1, "STAMP_FORMAT", "an attribute has not one value");
  return [oid, values[0]];
}

function readRoot(raw) {
  try {
    return readCertificate(readDer(raw));
  } catch (error) {
    throw error instanceof Refusal ? new Refusal("STAMP_AUTHORITY", error.what) : error;
  }
}
