// A block header, and one log of one of its transactions, proven by the receipts trie (EIP-658, EIP-2718).
// May never happen here: a log of a transaction that was reverted.

import { same } from "../bytes.mjs";
import { keccak256 } from "../keccak.mjs";
import { Refusal, require } from "../refusal.mjs";
import { decode, encode, integerOf, minimal } from "./rlp.mjs";
import { prove } from "./trie.mjs";

const MAX_HEADER_BYTES = 32 * 1024;
const MAX_EXTRA_BYTES = 16 * 1024;
const FIELD_COUNTS = [15, 16, 17, 20, 21];
// The fields in their order: how many bytes, null for an integer; one of them may have any length.
const LAYOUT = [32, 32, 20, 32, 32, 32, 256, null, null, null, null, null, "extra", 32, 8, null, 32, null, null, 32, 32];
const [STATE_ROOT, RECEIPTS_ROOT, TIMESTAMP] = [3, 5, 11];
export const NUMBER = 8;
export const EXTRA_DATA = 12;
const RECEIPT_TYPES = [1, 2, 3, 4];
const MAX_TOPICS = 4;

/** {hash, number, time (seconds), stateRoot, receiptsRoot}, numbers as BigInt, of the block with this hash. Refuses HEADER_HASH. */
export function openHeader(raw, hash, where) {
  const items = readHeader(raw, where);
  require(same(keccak256(raw), hash), "HEADER_HASH", "the block is not the one the notaries' verdict names", where);
  const [number, time] = [integerOf(items[NUMBER]), integerOf(items[TIMESTAMP])];
  return { hash, number, time, stateRoot: items[STATE_ROOT], receiptsRoot: items[RECEIPTS_ROOT] };
}

/** The fields of a header, as its encoding holds them. Refuses HEADER_HASH. */
export function readHeader(raw, where) {
  const refuse = (what) => new Refusal("HEADER_HASH", what, where);
  let items;
  try {
    items = decode(raw, { maxDepth: 1, maxBytes: MAX_HEADER_BYTES });
    if (!Array.isArray(items) || !FIELD_COUNTS.includes(items.length)) throw refuse("no fork's header has this shape");
    items.forEach((item, at) => (LAYOUT[at] === null ? integerOf(item) : checkLength(item, LAYOUT[at])));
  } catch (error) {
    throw error instanceof Refusal ? refuse(error.what) : error;
  }
  return items;
}

/**
 * {address, topics, data} of a log by its place: `transaction` and `logIndex` (BigInt) from 0. Refuses those of `prove`,
 * PROOF_ABSENT, TX_FAILED, RECEIPT_TYPE, RECEIPT_INVALID.
 */
export function openLog(receiptsRoot, { proof, transaction, logIndex }, where) {
  const value = prove(receiptsRoot, encode(minimal(transaction)), proof);
  require(value !== null, "PROOF_ABSENT", "the block has no such transaction", where);
  const { status, logs } = readReceipt(value);
  require(status === 1, "TX_FAILED", "the transaction was reverted; its logs never happened", where);
  require(logIndex < BigInt(logs.length), "PROOF_ABSENT", "the transaction emitted fewer logs", where);
  return logs[Number(logIndex)];
}

function checkLength(item, length) {
  const fits = length === "extra" ? item.length <= MAX_EXTRA_BYTES : item.length === length;
  if (!fits) throw new Refusal("HEADER_HASH", "a field is malformed");
}

function readReceipt(raw) {
  const typed = raw[0] < 0xc0;
  require(!typed || RECEIPT_TYPES.includes(raw[0]), "RECEIPT_TYPE", "no transaction receipt has this type");
  try {
    const item = decode(typed ? raw.slice(1) : raw);
    requireForm(Array.isArray(item) && item.length === 4);
    const [status, gas, bloom, logs] = item;
    requireForm(status instanceof Uint8Array && (status.length === 0 || (status.length === 1 && status[0] === 1)));
    requireForm(bloom instanceof Uint8Array && bloom.length === 256 && Array.isArray(logs));
    integerOf(gas, 8);
    return { status: status.length, logs: logs.map(readLog) };
  } catch (error) {
    throw error instanceof Refusal ? new Refusal("RECEIPT_INVALID", error.what) : error;
  }
}

function readLog(item) {
  requireForm(Array.isArray(item) && item.length === 3);
  const [address, topics, data] = item;
  requireForm(address instanceof Uint8Array && address.length === 20 && data instanceof Uint8Array);
  requireForm(Array.isArray(topics) && topics.length <= MAX_TOPICS);
  requireForm(topics.every((topic) => topic instanceof Uint8Array && topic.length === 32));
  return { address, topics, data };
}

const requireForm = (held) => require(held, "RECEIPT_INVALID", "a receipt is malformed");
