// The message between two chains, as the origin gateway's log carries it (`ledger.proposal`), and its id.
// May never happen here: two different messages of one id.

import { rightAligned, word } from "../attestation.mjs";
import { concat, hexOf, same, utf8 } from "../bytes.mjs";
import { keccak256 } from "../keccak.mjs";
import { require } from "../refusal.mjs";

const named = (text) => keccak256(utf8(text));
const MESSAGE_SENT = named("MessageSent(bytes32,bytes,bytes,bytes,uint256,bytes[])");
const [ID_TAG, LANE_TAG] = [named("pledgetrail/message/v1"), named("pledgetrail/lane/v1")];
const VERSION = 1n;
const MAX_PAYLOAD_BYTES = 1024;
const KINDS = [1n, 2n, 3n, 4n];
const FIELDS = { "kind(uint8)": 8, "generation(uint32)": 32, "sequence(uint64)": 64, "expiry(uint64)": 64, "gasLimit(uint64)": 64 };
const SELECTORS = new Map(
  Object.entries(FIELDS).map(([signature, bits]) => [hexOf(named(signature).slice(0, 4)), [signature.split("(")[0], bits]]),
);

/**
 * {id, kind, sender, recipient, destination, sequence, payload, …} of a `MessageSent` log of the gateway of `origin`, to
 * one of `destinations` ({chainId, genesis, gateway}). Refuses EMITTER, PROPOSAL_LOG, PROPOSAL_CHAIN, PROPOSAL_ID,
 * ADDRESS_FORM.
 */
export function readProposal(log, origin, destinations) {
  require(same(log.address, origin.gateway), "EMITTER", "the log is not the origin gateway's");
  const sent = log.topics.length === 2 && same(log.topics[0], MESSAGE_SENT);
  require(sent, "PROPOSAL_LOG", "not a MessageSent log");
  const { sender, recipient, payload, value, attributes } = decodeSent(log.data);
  const bare = value === 0n && payload.length <= MAX_PAYLOAD_BYTES;
  require(bare, "PROPOSAL_LOG", "the log carries native value or too large a payload");
  const [from, to] = [readAddress(sender), readAddress(recipient)];
  const destination = destinations.find(({ chainId }) => chainId === to.chainId);
  const known = from.chainId === origin.chainId && destination !== undefined;
  require(known, "PROPOSAL_CHAIN", "the message is not between known chains");
  const fields = readAttributes(attributes);
  const message = { ...fields, origin, destination, sender: from.account, recipient: to.account, payload };
  const id = idOf(message);
  require(same(id, log.topics[1]), "PROPOSAL_ID", "the log names another id than its fields give");
  return { ...message, id };
}

function idOf({ kind, origin, destination, sender, recipient, generation, sequence, expiry, gasLimit, payload }) {
  const end = ({ chainId, genesis, gateway }) => concat(word(chainId), genesis, rightAligned(gateway));
  const lane = keccak256(concat(LANE_TAG, end(origin), end(destination), rightAligned(sender), rightAligned(recipient)));
  const numbers = [generation, sequence, expiry, gasLimit].map(word);
  return keccak256(concat(ID_TAG, word(VERSION), word(kind), lane, ...numbers, keccak256(payload)));
}

/** The log's data as ABI (bytes, bytes, bytes, uint256, bytes[]). */
function decodeSent(data) {
  const number = (at) => {
    require(at + 32 <= data.length, "PROPOSAL_LOG", "the log's data does not decode", `byte ${at}`);
    return data.slice(at, at + 32).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  };
  // Whatever reaches beyond the data is one beyond it: then nothing is lost by counting in doubles.
  const place = (at) => Number(number(at) < BigInt(data.length) ? number(at) : BigInt(data.length));
  const dynamic = (at) => {
    const end = BigInt(at) + 32n + number(at);
    require(end <= BigInt(data.length), "PROPOSAL_LOG", "the log's data does not decode", `byte ${at}`);
    return data.slice(at + 32, Number(end));
  };
  const [sender, recipient, payload] = [0, 32, 64].map((at) => dynamic(place(at)));
  const listed = place(128);
  const count = number(listed);
  require(count === BigInt(SELECTORS.size), "PROPOSAL_LOG", "the log carries other attributes than it should");
  const attributes = Array.from({ length: Number(count) }, (_, index) => dynamic(listed + 32 + place(listed + 32 * (index + 1))));
  return { sender, recipient, payload, value: number(96), attributes };
}

function readAttributes(attributes) {
  const found = {};
  for (const attribute of attributes) {
    const [name, bits] = SELECTORS.get(hexOf(attribute.slice(0, 4))) ?? ["", 0];
    const value = attribute.slice(4).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const whole = attribute.length === 36 && name !== "" && !(name in found) && value >> BigInt(bits) === 0n;
    require(whole, "PROPOSAL_LOG", "an attribute is unknown, repeated or out of range");
    found[name] = value;
  }
  require(KINDS.includes(found.kind), "PROPOSAL_LOG", "an attribute is missing, or the kind is unknown");
  return found;
}

/** Chain and account of a minimal interoperable address (ERC-7930) of an EVM chain. */
function readAddress(encoded) {
  const size = encoded.length >= 27 ? encoded[4] : 0;
  const whole = 0 < size && size <= 32 && encoded.length === 26 + size && encoded[5] !== 0;
  const ours = whole && same(encoded.slice(0, 4), Uint8Array.of(0, 1, 0, 0)) && encoded[5 + size] === 20;
  require(ours, "ADDRESS_FORM", "not an interoperable address of an EVM chain in its minimal form");
  const chainId = encoded.slice(5, 5 + size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { chainId, account: encoded.slice(6 + size) };
}
