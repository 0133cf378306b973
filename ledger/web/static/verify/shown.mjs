// Whether the page shows what the records say: each step's time and kind, no record left out, none made up.
// The page is the server's, so its words count for nothing until they are compared with what was proven.

import { EVIDENCE_DOMAIN, periodOf } from "./evidence.mjs";
import { EVENT_DOMAIN } from "./records.mjs";
import { Unavailable, require } from "./refusal.mjs";
import { isAbout } from "./word.mjs";

const UNREADABLE = /\p{C}/u; // the page writes such characters out
const MAX_SHOWN_CHARS = 200;

/**
 * The records behind one step: {entries, envelopes, event, findings (codes)}. `step`: {filmed, entries, code, heading, from} as the page
 * shows them. Refuses RECORD_MISSING, SHOWN_DIFFERS; `Unavailable` NOT_COSIGNED_YET for what is newer than the checkpoint.
 */
export function behind(step, { checkpoint, envelopes, events, findings, words }) {
  const where = `entry ${step.entries[0]}`;
  if (step.entries.some((entry) => BigInt(entry) >= checkpoint.size)) {
    throw new Unavailable("NOT_COSIGNED_YET", "the notaries have not cosigned this step yet");
  }
  const own = envelopes.filter(({ entry }) => step.entries.includes(entry));
  const event = events.find(({ entry }) => step.entries.includes(entry)) ?? null;
  const found = step.filmed ? own.length === step.entries.length : event !== null;
  require(found && step.entries.length > 0, "RECORD_MISSING", "a step is shown for which there is no record", where);
  const said = step.filmed ? sayingOf(own) : { code: event.value.bizStep ?? event.value.type, from: event.value.eventTime };
  const named = said.code === step.code || said.code.endsWith(`:${step.code}`) || said.code.endsWith(`-${step.code}`);
  const read = words[`step.${step.code}`] ?? step.code;
  const headed = step.heading === read || UNREADABLE.test(read) || read.length > MAX_SHOWN_CHARS;
  require(named && headed, "SHOWN_DIFFERS", "the page names a step otherwise than its record does", where);
  const timed = Date.parse(said.from) === Date.parse(step.from);
  require(timed, "SHOWN_DIFFERS", "the page gives another time than the record does", where);
  const about = findings.filter((finding) =>
    isAbout(finding, own.filter(({ statement }) => statement.device === finding.device)),
  );
  return { entries: step.entries, envelopes: own, event, findings: about.map(({ code }) => code) };
}

/** Refuse RECORD_HIDDEN: a proven record that no step of the page shows. */
export function verifyNothingHidden(records, steps) {
  const entries = new Set(steps.flatMap((step) => step.entries));
  const told = records.filter(({ domain }) => domain === EVIDENCE_DOMAIN || domain === EVENT_DOMAIN);
  const hidden = told.find(({ entry }) => !entries.has(entry));
  require(hidden === undefined, "RECORD_HIDDEN", "a record is not shown on the page", `entry ${hidden?.entry}`);
}

function sayingOf(envelopes) {
  const first = envelopes.reduce((a, b) => (a.statement.sequence < b.statement.sequence ? a : b));
  const one = envelopes.every(({ statement }) => statement.step === first.statement.step);
  require(one, "SHOWN_DIFFERS", "a step mixes recordings of several", `entry ${first.entry}`);
  return { code: String(first.statement.step), from: new Date(periodOf(first)[0]).toISOString() };
}
