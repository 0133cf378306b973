// Keccak-256 with the padding that Ethereum uses (that of the competition entry, not of FIPS 202), 64-bit lanes as BigInt.

const RATE = 136; // bytes taken in at once
const LANE = 2n ** 64n - 1n;
const SIDE = [0, 1, 2, 3, 4];
const [ROUNDS, TURNS] = tables();

/** The 32-byte Keccak-256 digest of `bytes`. */
export function keccak256(bytes) {
  const padded = new Uint8Array((Math.floor(bytes.length / RATE) + 1) * RATE);
  padded.set(bytes);
  padded[bytes.length] |= 0x01;
  padded[padded.length - 1] |= 0x80;
  const view = new DataView(padded.buffer);
  let state = Array(25).fill(0n);
  for (let at = 0; at < padded.length; at += RATE) {
    for (let lane = 0; lane < RATE / 8; lane++) state[lane] ^= view.getBigUint64(at + 8 * lane, true);
    for (const constant of ROUNDS) state = round(state, constant);
  }
  const out = new DataView(new ArrayBuffer(32));
  for (let lane = 0; lane < 4; lane++) out.setBigUint64(8 * lane, state[lane], true);
  return new Uint8Array(out.buffer);
}

function round(state, constant) {
  const parity = SIDE.map((x) => state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]);
  const spread = SIDE.map((x) => parity[(x + 4) % 5] ^ turned(parity[(x + 1) % 5], 1n));
  const moved = Array(25);
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 5; x++) {
      moved[y + 5 * ((2 * x + 3 * y) % 5)] = turned(state[x + 5 * y] ^ spread[x], TURNS[x + 5 * y]);
    }
  }
  const next = moved.map((lane, at) => {
    const row = at - (at % 5);
    return lane ^ (~moved[row + ((at + 1) % 5)] & LANE & moved[row + ((at + 2) % 5)]);
  });
  next[0] ^= constant;
  return next;
}

const turned = (lane, by) => ((lane << by) | (lane >> (64n - by))) & LANE;

/** The rounds' constants and the lanes' turns, computed as the reference defines them (section 1.2). */
function tables() {
  const turns = Array(25).fill(0n);
  for (let step = 0, x = 1, y = 0; step < 24; step++) {
    turns[x + 5 * y] = BigInt((((step + 1) * (step + 2)) / 2) % 64);
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  const rounds = [];
  for (let index = 0, register = 1; index < 24; index++) {
    let constant = 0n;
    for (let power = 0; power < 7; power++) {
      if (register & 1) constant |= 1n << BigInt(2 ** power - 1);
      register = register & 0x80 ? (register << 1) ^ 0x171 : register << 1;
    }
    rounds.push(constant);
  }
  return [rounds, turns];
}
