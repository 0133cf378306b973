// Signatures with WebCrypto: Ed25519 (RFC 8032), and for devices ECDSA on P-256 with SHA-256 (FIPS 186-5).
// May never happen here: one of the eight weak keys under which a signature says nothing; a second spelling of a
// signature; or a browser without an algorithm counted as one that refused a signature.

import { fromHex } from "./bytes.mjs";
import { Refusal, Unavailable, require } from "./refusal.mjs";

const FIELD = 2n ** 255n - 19n;
// The y coordinates of the points whose order divides 8.
const WEAK = new Set([
  0n,
  1n,
  FIELD - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ALGORITHMS = ["Ed25519", "P-256"];

/** Refuse KEY_LENGTH, KEY_WEAK: a key that could bind nobody. */
export function checkEd25519Key(key) {
  require(key.length === 32, "KEY_LENGTH", "an Ed25519 key has 32 bytes");
  const y = key.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & (2n ** 255n - 1n);
  require(y < FIELD && !WEAK.has(y), "KEY_WEAK", "a key of small order, or in a second spelling");
}

/** Refuse SIG_INVALID unless `key` signed `message`. Everything in bytes. */
export async function verifyEd25519(key, message, signature, where = "") {
  checkEd25519Key(key);
  await requireEd25519();
  require(await holds(key, message, signature), "SIG_INVALID", "the signature does not hold for these bytes", where);
}

/** The same for a device's key, by the algorithm that its enrolment names and no message does. Refuses KEY_ALGORITHM. */
export async function verifyDeviceSignature(algorithm, key, message, signature, where = "") {
  require(ALGORITHMS.includes(algorithm), "KEY_ALGORITHM", "devices sign with Ed25519 or P-256", where);
  if (algorithm === "Ed25519") return verifyEd25519(key, message, signature, where);
  require(key.length === 65, "KEY_LENGTH", "a P-256 key has 65 bytes", where);
  require(key[0] === 4, "KEY_INVALID", "a P-256 key is an uncompressed point", where);
  const whole = signature.length === 64;
  const low = !whole || numberOf(signature.slice(32)) <= P256_ORDER / 2n;
  require(low, "SIG_MALLEABLE", "s is in the upper half of the order", where);
  const good = whole && (await holdsP256(key, message, signature));
  return require(good, "SIG_INVALID", "the signature does not hold for these bytes", where);
}

async function holdsP256(key, message, signature) {
  await requireEd25519(); // a browser that has it has P-256 too
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key, curve, false, ["verify"]);
  } catch {
    throw new Refusal("KEY_INVALID", "the key is no point of the curve");
  }
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, signature, message);
}

const numberOf = (bytes) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

async function holds(key, message, signature) {
  if (signature.length !== 64) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
  } catch {
    return false; // a key that is no point of the curve
  }
}

// A signature that must hold (RFC 8032 section 7.1, test 2): tells a browser without Ed25519 from a bad signature.
const KNOWN = {
  key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
  message: Uint8Array.of(0x72),
  signature:
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
};
let known = null;

function requireEd25519() {
  known ??= (async () => {
    if (!globalThis.crypto?.subtle) {
      throw new Unavailable("NO_CRYPTO", "this browser offers no cryptography to this page; it needs https");
    }
    const signature = fromHex(KNOWN.signature, "SIG_INVALID");
    if (!(await holds(fromHex(KNOWN.key, "SIG_INVALID"), KNOWN.message, signature))) {
      throw new Unavailable("NO_ED25519", "this browser cannot check Ed25519 signatures");
    }
  })();
  return known;
}
