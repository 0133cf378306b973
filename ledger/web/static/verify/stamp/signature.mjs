// Signatures of timestamping authorities and their certificates, with WebCrypto: RSA (PKCS #1 v1.5, and PSS in certificates) and
// ECDSA on P-256, P-384 and P-521, with SHA-256, SHA-384 or SHA-512. May never happen here: an algorithm that is not known
// here taken for a signature that does not hold.

import { concat } from "../bytes.mjs";
import { Refusal, Unavailable, require } from "../refusal.mjs";
import { Fields, INTEGER, NULL, OID, SEQUENCE, integerBytes, oidOf, readDer, smallInteger, tagged } from "./der.mjs";

const HASHES = {
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};
const [RSA, PSS, EC] = ["1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"];
const MGF1 = "1.2.840.113549.1.1.8";
const CURVES = {
  "1.2.840.10045.3.1.7": { namedCurve: "P-256", bytes: 32 },
  "1.3.132.0.34": { namedCurve: "P-384", bytes: 48 },
  "1.3.132.0.35": { namedCurve: "P-521", bytes: 66 },
};
// {scheme, hash}; a hash of null is named elsewhere.
const SCHEMES = {
  [RSA]: { scheme: RSA, hash: null },
  "1.2.840.113549.1.1.11": { scheme: RSA, hash: "SHA-256" },
  "1.2.840.113549.1.1.12": { scheme: RSA, hash: "SHA-384" },
  "1.2.840.113549.1.1.13": { scheme: RSA, hash: "SHA-512" },
  [EC]: { scheme: EC, hash: null },
  "1.2.840.10045.4.3.2": { scheme: EC, hash: "SHA-256" },
  "1.2.840.10045.4.3.3": { scheme: EC, hash: "SHA-384" },
  "1.2.840.10045.4.3.4": { scheme: EC, hash: "SHA-512" },
};

/** {oid, parameters} of an AlgorithmIdentifier; `parameters` is an element or null. */
export function readAlgorithm(element) {
  const fields = new Fields(element);
  const oid = oidOf(fields.take(OID));
  const parameters = fields.at < fields.items.length ? fields.any() : null;
  fields.end();
  return { oid, parameters };
}

/** The name WebCrypto has for a digest algorithm. `Unavailable` STAMP_ALGORITHM for any other. */
export function hashOf({ oid, parameters }) {
  require(isNone(parameters), "STAMP_FORMAT", "a digest algorithm has parameters");
  return HASHES[oid] ?? unknown(`digest ${oid}`);
}

/** `bytes` digested by one of those names. */
export async function digested(hash, bytes) {
  return new Uint8Array(await crypto.subtle.digest(hash, bytes));
}

/**
 * Whether `key` ({raw, algorithm}: a SubjectPublicKeyInfo) signed `message`. `signature`: as certificates and CMS hold it;
 * `hash`: the digest that stands beside the signature, null where its algorithm alone names it. `Unavailable` STAMP_ALGORITHM.
 */
export async function signedBy(key, algorithm, hash, message, signature) {
  const { scheme, hash: own, salt } = schemeOf(algorithm);
  if (own !== null && hash !== null && own !== hash) return false;
  const used = own ?? hash ?? unknown("signature without a digest");
  if (key.algorithm.oid !== (scheme === PSS ? RSA : scheme)) return false;
  if (scheme === EC) return signedOnCurve(key, used, message, signature);
  const name = scheme === PSS ? "RSA-PSS" : "RSASSA-PKCS1-v1_5";
  const imported = await importKey(key.raw, { name, hash: used });
  return crypto.subtle.verify({ name, saltLength: salt }, imported, signature, message);
}

async function signedOnCurve(key, hash, message, signature) {
  const named = key.algorithm.parameters?.tag === OID ? oidOf(key.algorithm.parameters) : "";
  const curve = CURVES[named] ?? unknown(`curve ${named}`);
  const pair = pairOf(signature, curve.bytes);
  if (pair === null) return false;
  const imported = await importKey(key.raw, { name: "ECDSA", namedCurve: curve.namedCurve });
  return crypto.subtle.verify({ name: "ECDSA", hash }, imported, pair, message);
}

async function importKey(raw, algorithm) {
  try {
    return await crypto.subtle.importKey("spki", raw, algorithm, false, ["verify"]);
  } catch {
    return unknown("key that this browser does not take");
  }
}

function schemeOf(algorithm) {
  if (algorithm.oid === PSS) return readPss(algorithm.parameters);
  const found = SCHEMES[algorithm.oid] ?? unknown(`signature ${algorithm.oid}`);
  return { ...found, salt: 0 };
}

/** RSASSA-PSS-params (RFC 8017 appendix A.2.3); one hash for both, as WebCrypto has it. */
function readPss(parameters) {
  if (parameters === null) return unknown("PSS with SHA-1");
  const fields = new Fields(parameters);
  const [hash, mask] = [fields.maybe(tagged(0)), fields.maybe(tagged(1))];
  if (hash === null || mask === null) return unknown("PSS with SHA-1");
  const used = hashOf(readAlgorithm(readDer(hash.body)));
  const masked = readAlgorithm(readDer(mask.body));
  const inner = masked.parameters?.tag === SEQUENCE ? hashOf(readAlgorithm(masked.parameters)) : "";
  if (masked.oid !== MGF1 || inner !== used) return unknown("PSS with two digests");
  const length = fields.maybe(tagged(2));
  fields.end();
  return { scheme: PSS, hash: used, salt: length === null ? 20 : smallInteger(readDer(length.body)) };
}

/** r ‖ s of an ECDSA signature in DER; null where it is none. */
function pairOf(signature, bytes) {
  try {
    const fields = new Fields(readDer(signature));
    const numbers = [fields.take(INTEGER), fields.take(INTEGER)].map((each) => integerBytes(each));
    fields.end();
    const short = numbers.map((number) => (number[0] === 0 ? number.slice(1) : number));
    if (numbers.some(([first]) => first >= 0x80) || short.some(({ length }) => length > bytes)) return null;
    return concat(...short.map((number) => concat(new Uint8Array(bytes - number.length), number)));
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

const isNone = (parameters) => parameters === null || (parameters.tag === NULL && parameters.body.length === 0);

function unknown(what) {
  throw new Unavailable("STAMP_ALGORITHM", `not checked here: a ${what}`);
}
