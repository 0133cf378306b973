// What the proven entries say about the bundle's subject, and that each has a reason to be there. Devices' words are
// verified as Python does; the history of goods is followed more loosely (`subject`): through the things that events name,
// without heeding when one was inside another.

import { domainSeparated, hexOf, sha256 } from "../bytes.mjs";
import { ERASURE_DOMAIN } from "../erasure.mjs";
import { DEVICE_DOMAIN, EVIDENCE_DOMAIN, readEnrolment, readEnvelope } from "../evidence.mjs";
import { readEvent } from "../event.mjs";
import { mapped } from "../pace.mjs";
import { EVENT_DOMAIN } from "../records.mjs";
import { require } from "../refusal.mjs";
import { namesIn, verifySubject } from "../subject.mjs";
import { TRUST_ROOT_DOMAIN } from "../trust_root.mjs";
import { FINDING_DOMAIN, ORDER_DOMAIN, isAbout, readFinding, readOrder, verifyWord } from "../word.mjs";
import { CREDENTIAL_DOMAIN, CROSSING_DOMAIN } from "./epochs.mjs";
import { objectsOf } from "./file.mjs";

const DOMAINS = [
  TRUST_ROOT_DOMAIN, DEVICE_DOMAIN, ORDER_DOMAIN, EVIDENCE_DOMAIN, FINDING_DOMAIN, EVENT_DOMAIN, CROSSING_DOMAIN,
  CREDENTIAL_DOMAIN, ERASURE_DOMAIN,
];
const URI = /^[a-z][a-z0-9+.-]*:/;
const ONE = /^urn:pledgetrail:(event|evidence):([0-9a-f]{64})$/;

/** Refuse BUNDLE_FIELD, NON_CANONICAL: objects of another kind, or not by rising entries. That the log holds each is for `verifyLogged`. */
export function checkObjects({ objects }) {
  let last = -1;
  for (const { domain, entry } of objects) {
    require(DOMAINS.includes(domain), "BUNDLE_FIELD", "an object is of a kind that has no place here", domain);
    require(entry > last, "NON_CANONICAL", "objects are not in the order of their entries", `entry ${entry}`);
    last = entry;
  }
}

/**
 * {envelopes, findings, revoked, breaks} of what devices said; `gone`: what was erased, `breaks`: [{device, number}] where a
 * recording goes on after it. Refuses DEVICE_…, EVIDENCE_…, SUPERFLUOUS (an enrolment, finding or order
 * that is about nobody here), and those of the readers.
 */
export async function verifyDevices(bundle, seenBy, gone) {
  const envelopes = await mapped(objectsOf(bundle, EVIDENCE_DOMAIN), readEnvelope);
  const enrolments = await mapped(objectsOf(bundle, DEVICE_DOMAIN), readEnrolment);
  const findings = await mapped(objectsOf(bundle, FINDING_DOMAIN), readFinding);
  const orders = await mapped(objectsOf(bundle, ORDER_DOMAIN), readOrder);
  const said = Map.prototype.get.bind(byDevice(envelopes));
  const seen = new Set();
  for (const { device, entry } of enrolments) {
    const needed = said(device) !== undefined && !seen.has(device);
    require(needed, "SUPERFLUOUS", "an enrolment is repeated, or of a device that said nothing here", `entry ${entry}`);
    seen.add(device);
  }
  for (const finding of findings) {
    const about = isAbout(finding, said(finding.device) ?? []);
    require(about, "SUPERFLUOUS", "a finding is about none of the statements here", `entry ${finding.entry}`);
  }
  for (const { kind, device, entry } of orders) {
    const own = kind === "revocation" && said(device) !== undefined;
    require(own, "SUPERFLUOUS", "an order is no revocation of a device that speaks here", `entry ${entry}`);
  }
  const erased = gone.filter(({ kind }) => kind === "evidence").map(({ entry }) => entry);
  const breaks = [];
  await verifyWord(envelopes, { enrolments, findings, orders, seenBy, erased, breaks });
  return { envelopes, findings, revoked: orders, breaks };
}

/**
 * {kind, events} of a bundle's subject: goods with their events, one event, or one statement. Refuses SUBJECT_UNKNOWN,
 * SUPERFLUOUS, SUBJECT_FORMAT; `Unavailable` where only the full check can follow the history.
 */
export async function verifyAbout(bundle, envelopes, gone) {
  const events = await mapped(objectsOf(bundle, EVENT_DOMAIN), readEvent);
  const [, kind, digest] = ONE.exec(bundle.subject) ?? [];
  if (kind !== undefined) {
    if (gone.length > 0) requireNothingLeft(bundle, kind, gone);
    else await verifySingle(bundle, kind, digest);
    return { kind, events };
  }
  const named = !bundle.subject.toLowerCase().startsWith("urn:pledgetrail:");
  require(named, "SUBJECT_FORMAT", "no subject is named like this", bundle.subject);
  require(URI.test(bundle.subject), "NON_CANONICAL", "the subject is not in its normal form", bundle.subject);
  const direct = events.some(({ value }) => namesIn(value).includes(bundle.subject));
  require(direct || gone.length > 0, "SUBJECT_UNKNOWN", "no event mentions the thing that the bundle is about", bundle.subject);
  verifySubject(bundle.subject, events, envelopes);
  return { kind: "goods", events };
}

/** Of one thing that was erased nothing is said: it alone was, beside the findings about it, and nothing else is here. */
function requireNothingLeft(bundle, kind, gone) {
  const own = gone.map((each) => each.kind).filter((each) => each !== "finding");
  require(own.join() === kind, "SUBJECT_UNKNOWN", "something else was erased than the bundle is about", bundle.subject);
  const told = [EVENT_DOMAIN, EVIDENCE_DOMAIN, DEVICE_DOMAIN, FINDING_DOMAIN, ORDER_DOMAIN];
  const other = bundle.objects.find(({ domain }) => told.includes(domain));
  require(other === undefined, "SUPERFLUOUS", "it has no place in a bundle about one entry", `entry ${other?.entry}`);
}

async function verifySingle(bundle, kind, digest) {
  const foreign = kind === "event" ? [EVIDENCE_DOMAIN, DEVICE_DOMAIN, FINDING_DOMAIN, ORDER_DOMAIN] : [EVENT_DOMAIN];
  const other = bundle.objects.find(({ domain }) => foreign.includes(domain));
  require(other === undefined, "SUPERFLUOUS", "it has no place in a bundle about one entry", `entry ${other?.entry}`);
  const own = objectsOf(bundle, kind === "event" ? EVENT_DOMAIN : EVIDENCE_DOMAIN);
  require(own.length === 1, "SUBJECT_UNKNOWN", "not exactly one entry of the kind it is about", bundle.subject);
  const said = kind === "event" ? domainSeparated(EVENT_DOMAIN, own[0].canonical) : readEnvelope(own[0]).message;
  const about = hexOf(await sha256(said)) === digest;
  require(about, "SUBJECT_UNKNOWN", "the entry is not the one that the bundle is about", bundle.subject);
}

function byDevice(envelopes) {
  const found = new Map();
  for (const envelope of envelopes) {
    const { device } = envelope.statement;
    if (!found.has(device)) found.set(device, []);
    found.get(device).push(envelope);
  }
  return found;
}
