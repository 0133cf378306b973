// What notaries sign with their attesting keys (EIP-712): the root of a certificate, the verdict over a commit, the order
// of a rotation. The domain names the contract on its live chain that the signature is meant for.

import { concat, utf8 } from "./bytes.mjs";
import { keccak256 } from "./keccak.mjs";

const named = (text) => keccak256(utf8(text));
const DOMAIN = named("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
const ATTESTATION = named("Attestation(bytes32 root,uint64 epoch)");
const ORDER = named("Order(bytes32 action,bytes32 salt,uint64 epoch)");
const VERDICT = named(
  "Verdict(bytes32 id,uint64 epoch,bytes32 originBlock,bytes32 commitBlock,bytes32 commitTransaction," +
    "uint64 checkedFrom,uint8 verdict,bool executed,bytes32 outcome,uint8 policy,uint64 originLog,uint64 commitLog)",
);
const HEADER = named(
  "CertifiedHeader(uint256 chainId,uint64 height,bytes32 blockHash,bytes32 stateRoot,bytes32 receiptsRoot,uint64 timestamp," +
    "uint64 epoch)",
);
const ROTATE = named("pledgetrail/order/Committee.rotate");

/** An unsigned integer (BigInt) as one big-endian ABI word. */
export function word(value) {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * (31 - at))) & 255n));
}

/** Bytes of at most a word, standing at its end. */
export const rightAligned = (bytes) => concat(new Uint8Array(32 - bytes.length), bytes);

/** What attests a root of message ids for a gateway ({chainId (BigInt), gateway}). */
export const attestationDigest = ({ chainId, gateway }, root, epoch) =>
  digestFor(chainId, gateway, keccak256(concat(ATTESTATION, root, word(epoch))));

/**
 * What certifies a header of the chain `foreign` to a holder of headers ({chainId (BigInt), contract}). `header`: {number, time
 * (BigInt), hash, stateRoot, receiptsRoot}.
 */
export function headerDigest({ chainId, contract }, foreign, { number, time, hash, stateRoot, receiptsRoot }, epoch) {
  const words = [word(foreign), word(number), hash, stateRoot, receiptsRoot, word(time), word(epoch)];
  return digestFor(chainId, contract, keccak256(concat(HEADER, ...words)));
}

/** What was signed over a verdict, for the transaction registry. Numbers are BigInt. */
export function verdictDigest(chainId, registry, verdict) {
  const words = concat(
    verdict.id,
    word(verdict.epoch),
    verdict.originBlock,
    verdict.commitBlock,
    verdict.commitTransaction,
    word(verdict.checkedFrom),
    word(verdict.verdict),
    word(verdict.executed ? 1n : 0n),
    verdict.outcome,
    word(verdict.policy),
    word(verdict.originLog),
    word(verdict.commitLog),
  );
  return digestFor(chainId, registry, keccak256(concat(VERDICT, words)));
}

/** What a quorum of `epoch` signs so that `members` (records of {operator, attesting, …}) follow it. */
export function rotationDigest({ chainId, contract, epoch, members, salt }) {
  const records = members.map(({ operator, attesting, cosigning, oprf, validator }) =>
    concat(operator, rightAligned(attesting), cosigning, oprf, rightAligned(validator)),
  );
  const listed = keccak256(concat(word(32n), word(BigInt(members.length)), ...records));
  const action = keccak256(concat(ROTATE, word(epoch + 1n), listed));
  return digestFor(chainId, contract, keccak256(concat(ORDER, action, salt, word(epoch))));
}

/** A digest together with the very packed signatures over it. */
export const signed = (digest, signatures) => keccak256(concat(digest, keccak256(signatures)));

/** The credential of a certificate and a verdict, each `signed`. */
export const credentialOf = (certificate, judged) => keccak256(concat(certificate, judged));

function digestFor(chainId, contract, statement) {
  const own = [named("Pledgetrail"), named("1"), word(chainId), rightAligned(contract)];
  return keccak256(concat(Uint8Array.of(0x19, 0x01), keccak256(concat(DOMAIN, ...own)), statement));
}
