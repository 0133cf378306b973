// Which account signed: recovery on secp256k1 (SEC 1 section 4.1.6), strictly as the contracts do it. WebCrypto has no
// such curve. Only public values are worked on, so nothing here has to take a constant time.
// May never happen here: two signatures for one, by a high s or another recovery value.

import { concat } from "./bytes.mjs";
import { keccak256 } from "./keccak.mjs";
import { require } from "./refusal.mjs";

const FIELD = 2n ** 256n - 2n ** 32n - 977n;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G = {
  x: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
  z: 1n,
};
const NOWHERE = { x: 0n, y: 1n, z: 0n };

/**
 * The 20-byte address that signed the 32-byte `digest`; `pair`: r ‖ s, 64 bytes; `parity`: 0 or 1.
 * Refuses SIG_RANGE, SIG_MALLEABLE, SIG_UNKNOWN (it recovers to no key).
 */
export function recover(digest, pair, parity, where = "") {
  const [r, s] = [numberOf(pair.slice(0, 32)), numberOf(pair.slice(32))];
  const ranged = 0n < r && r < ORDER && 0n < s && s < ORDER;
  require(ranged, "SIG_RANGE", "r or s is outside the curve's order", where);
  require(s <= ORDER / 2n, "SIG_MALLEABLE", "s is in the upper half of the order", where);
  const square = mod(r ** 3n + 7n);
  let y = power(square, (FIELD + 1n) / 4n);
  require(mod(y * y) === square, "SIG_UNKNOWN", "the signature recovers to no key", where);
  if ((y & 1n) !== BigInt(parity)) y = FIELD - y;
  const inverse = inverted(r, ORDER);
  const own = (((ORDER - (numberOf(digest) % ORDER)) % ORDER) * inverse) % ORDER;
  const key = affine(combined(own, { x: r, y, z: 1n }, (s * inverse) % ORDER));
  require(key !== null, "SIG_UNKNOWN", "the signature recovers to no key", where);
  return keccak256(concat(wordOf(key.x), wordOf(key.y))).slice(12);
}

/** own·G + share·point, both walked at once from the highest bit. */
function combined(own, point, share) {
  const both = added(G, point);
  let sum = NOWHERE;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = doubled(sum);
    const [left, right] = [(own >> bit) & 1n, (share >> bit) & 1n];
    if (left || right) sum = added(sum, left && right ? both : left ? G : point);
  }
  return sum;
}

// Jacobian coordinates: (x / z², y / z³); z = 0 is the point at infinity.
function doubled({ x, y, z }) {
  if (z === 0n || y === 0n) return NOWHERE;
  const [squared, tangent] = [mod(y * y), mod(3n * x * x)];
  const middle = mod(4n * x * squared);
  const across = mod(tangent * tangent - 2n * middle);
  return { x: across, y: mod(tangent * (middle - across) - 8n * squared * squared), z: mod(2n * y * z) };
}

function added(left, right) {
  if (left.z === 0n) return right;
  if (right.z === 0n) return left;
  const [a, b] = [mod(left.z * left.z), mod(right.z * right.z)];
  const [u, v] = [mod(left.x * b), mod(right.x * a)];
  const [p, q] = [mod(left.y * b * right.z), mod(right.y * a * left.z)];
  if (u === v) return p === q ? doubled(left) : NOWHERE;
  const [run, rise] = [mod(v - u), mod(q - p)];
  const square = mod(run * run);
  const [cube, middle] = [mod(square * run), mod(u * square)];
  const x = mod(rise * rise - cube - 2n * middle);
  return { x, y: mod(rise * (middle - x) - p * cube), z: mod(left.z * right.z * run) };
}

function affine({ x, y, z }) {
  if (z === 0n) return null;
  const inverse = inverted(z, FIELD);
  const square = mod(inverse * inverse);
  return { x: mod(x * square), y: mod(y * square * inverse) };
}

const mod = (value) => ((value % FIELD) + FIELD) % FIELD;

function power(base, exponent) {
  let result = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = mod(square * square)) {
    if (left & 1n) result = mod(result * square);
  }
  return result;
}

/** 1 / value modulo a prime, by Euclid's extended algorithm. */
function inverted(value, modulus) {
  let [low, high, from, to] = [value % modulus, modulus, 1n, 0n];
  while (low > 0n) {
    const times = high / low;
    [low, high, from, to] = [high - times * low, low, to - times * from, from];
  }
  return ((to % modulus) + modulus) % modulus;
}

const numberOf = (bytes) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const wordOf = (number) => Uint8Array.from({ length: 32 }, (_, at) => Number((number >> BigInt(8 * (31 - at))) & 255n));
