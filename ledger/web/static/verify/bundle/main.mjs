// The page that checks a proof file by itself: a file is chosen or dropped, everything happens on this device, and each end
// is written where the reader sees it. Whatever goes wrong unforeseen counts as not checked, never as holding.

import { hexOf, sha256 } from "../bytes.mjs";
import { Refusal, Unavailable } from "../refusal.mjs";
import { readFingerprint } from "../trust_root.mjs";
import { WORDS } from "../words.mjs";
import { blockOf, doubts, factsOf, utc } from "./facts.mjs";
import { MAX_BUNDLE_BYTES, looksLikeBundle } from "./file.mjs";
import { Report } from "./report.mjs";
import { BUNDLE_STEPS, verifyBundle } from "./verify.mjs";

const MAX_PIECE_BYTES = 256 * 2 ** 20; // of another file, which is hashed whole

// What this browser may be unable to check while the rest goes on: what the reader is told, and what stands in its place.
const OPEN = {
  subject: { why: "why.history", instead: { kind: "goods", events: [] } },
  stamped: { why: "why.stamp", instead: null },
};

const asked = new URLSearchParams(location.search).get("lang") ?? navigator.language;
const report = new Report(document, WORDS, asked.toLowerCase().startsWith("zh") ? "zh" : "en");
let turn = 0; // of the file that is checked now: what an earlier one still finds out is not written
let found = null;
const spent = new Map(); // milliseconds by step

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => report.speak(button.dataset.language));
}
document.getElementById("save").hidden = !location.protocol.startsWith("http");
const input = document.getElementById("file");
input.addEventListener("change", () => take([...input.files]));
const known = document.getElementById("known");
known.addEventListener("input", () => {
  const wrong = known.value.trim() !== "" && readFingerprint(known.value) === null;
  known.setAttribute("aria-invalid", String(wrong));
  document.getElementById("known-bad").hidden = !wrong;
});
const drop = document.querySelector(".drop");
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.dataset.over = "";
});
document.addEventListener("dragleave", () => delete drop.dataset.over);
document.addEventListener("drop", (event) => {
  event.preventDefault();
  delete drop.dataset.over;
  take([...event.dataTransfer.files]);
});

/** Check the proof files, then compare what else came with the last of them. */
async function take(files) {
  input.value = "";
  const others = [];
  for (const file of files) {
    const head = new Uint8Array(await file.slice(0, 64).arrayBuffer());
    if (looksLikeBundle(head) || (found === null && files.length === 1)) await checkFile(file);
    else others.push(file);
  }
  for (const file of others) await comparePiece(file);
}

async function checkFile(file) {
  const mine = ++turn;
  found = null;
  report.begin(BUNDLE_STEPS);
  const expected = known.value.trim() === "" ? null : (readFingerprint(known.value) ?? known.value);
  const during = (step, work) => (mine === turn ? duringStep(step, work) : Promise.reject(new Unavailable("REPLACED", "")));
  try {
    const verified = await verifyBundle(await bytesOf(file), { expected, during });
    if (mine === turn) conclude(verified, expected);
  } catch (error) {
    if (mine !== turn || error instanceof Refusal) return;
    report.verdict("unchecked", "verdict.file-unavailable");
    if (!(error instanceof Unavailable)) throw error;
  }
}

async function bytesOf(file) {
  // One byte more than is allowed is enough to refuse it by its size.
  return new Uint8Array(await file.slice(0, MAX_BUNDLE_BYTES + 1).arrayBuffer());
}

/** Await one step's work and write how it ended; the first refusal is the verdict. Only what is `OPEN` may stay unchecked. */
async function duringStep(step, work) {
  const begun = performance.now();
  try {
    const result = await work();
    spent.set(step, performance.now() - begun);
    if (report.stateOf(step) === "waiting") report.tell(step, "holds");
    if (step === "trust") report.fingerprint(result.fingerprint);
    return result;
  } catch (error) {
    if (step in OPEN && error instanceof Unavailable) {
      const { why, instead } = OPEN[step];
      report.tell(step, "unchecked", [why]);
      return instead;
    }
    BUNDLE_STEPS.slice(BUNDLE_STEPS.indexOf(step) + 1).forEach((later) => report.tell(later, "unchecked"));
    if (error instanceof Refusal) refuse(step, error);
    else report.tell(step, "unchecked", ["why.file"]);
    throw error;
  }
}

function refuse(step, { code, where }) {
  const key = [`reason.${step}.${code}`, `reason.${code}`].find((each) => each in report.words) ?? `reason.${step}`;
  const sentence = { key };
  report.tell(step, "refused", [sentence.key], ["error.code", { code, where }]);
  report.verdict("refused", "verdict.file-refused", { reason: sentence, step: { key: `bundle.${step}`, short: true } });
}

function conclude(verified, expected) {
  found = verified;
  const { bundle, root, believed, stamp, crossed, envelopes, told } = verified;
  report.tell("sealed", "holds", ["more.bytes", { count: bundle.bytes }]);
  report.tell("trust", expected === null ? "unchecked" : "holds", [expected === null ? "trust.came-along" : "trust.given"]);
  const { anchored, cosigners, record } = believed;
  const times = cosigners.map(({ time }) => Number(time)).sort((a, b) => a - b);
  const names = cosigners.map(({ name }) => name).join(", ");
  const sealed = record === null ? [] : [["more.sealed-later", { from: record.cosignedIn, to: root.pinned.epoch }]];
  const state = { origin: anchored.origin, size: anchored.size, names, time: utc(times[0] * 1000) };
  report.tell("checkpoint", "holds", ["more.state", state], ...sealed);
  report.tell("judged", "holds", ["more.quorum", crossed.judges]);
  report.tell("attested", "holds", crossed.attesters === null ? ["more.observed"] : ["more.quorum", crossed.attesters]);
  report.tell("anchored", "holds", ["more.block", blockOf(crossed.message.origin, crossed.left)]);
  report.tell("committed", "holds", ["more.block", blockOf(crossed.message.destination, crossed.arrived)]);
  report.tell("logged", "holds", ["more.logged", { count: bundle.objects.length }]);
  const devices = new Set(envelopes.map(({ statement }) => statement.device)).size;
  if (envelopes.length > 0) report.tell("signed", "holds", ["more.signed", { count: envelopes.length, devices }]);
  else report.leaveOut("signed");
  if (bundle.pledge === null) report.leaveOut("pledge");
  else report.tell("pledge", "holds", ["more.instructions", { count: told.length }]);
  tellSeals([crossed, ...told]);
  if (crossed.certifiers === null) report.leaveOut("certified");
  else report.tell("certified", "holds", ["more.quorum", crossed.certifiers]);
  if (bundle.stamp === null) report.leaveOut("stamped");
  else if (stamp !== null) report.tell("stamped", "holds", ["more.stamp", { authority: stamp.authority, time: utc(stamp.time) }]);
  report.tellFacts(factsOf(verified, (step) => `step.${step}` in report.words));
  report.verdict(...verdictOf(verified, expected));
}

/** Who sealed the blocks in which the messages left; of lanes that rest on seals which cannot be shown, why not. */
function tellSeals(ways) {
  const open = ways.find(({ sealing }) => sealing.why !== "");
  const shown = ways.filter(({ sealing }) => sealing.sealed !== null);
  if (open !== undefined) return report.tell("sealers", "unchecked", [`why.seals-${open.sealing.why}`]);
  if (shown.length === 0) return report.leaveOut("sealers");
  const milliseconds = Math.round(spent.get("sealers"));
  return report.tell("sealers", "holds", ...shown.map(({ sealing }) => ["more.sealed", sealing.sealed]), ["more.spent", { milliseconds }]);
}

function verdictOf(verified, expected) {
  const { bundle, gone } = verified;
  const partly = Object.keys(OPEN).some((step) => report.stateOf(step) === "unchecked") || report.stateOf("sealers") === "unchecked";
  if (gone.length > 0) return ["unchecked", "verdict.file-erased"];
  if (doubts(verified).length > 0) return ["unchecked", "verdict.file-doubts"];
  if (partly) return ["unchecked", "verdict.file-partly"];
  return expected === null ? ["unchecked", "verdict.file-root"] : ["holds", "verdict.file-holds"];
}

/** Whether another file is one of the pieces of video that the checked file's evidence signs. */
async function comparePiece(file) {
  const { name } = file;
  if (found === null) return report.note("piece.early", { name });
  if (file.size > MAX_PIECE_BYTES) return report.note("piece.large", { name });
  const digest = hexOf(await sha256(new Uint8Array(await file.arrayBuffer())));
  const statements = found.envelopes.map(({ statement }) => statement).filter(({ kind }) => kind === "segment");
  const piece = statements.find(({ media }) => media.sha256 === digest);
  if (piece !== undefined) return report.note("piece.same", { name, device: piece.device, number: piece.sequence });
  const head = statements.find(({ media }) => media.init_sha256 === digest);
  if (head !== undefined) return report.note("piece.head", { name, device: head.device });
  return report.note("piece.other", { name });
}
