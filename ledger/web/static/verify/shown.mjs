// Whether the page shows what the records say: each step's time and kind, no record left out, none made up.
// The page is the server's, so its words count for nothing until they are compared with what was proven.

import { EVIDENCE_DOMAIN, periodOf } from "./evidence.mjs";
import { EVENT_DOMAIN } from "./records.mjs";
import { Unavailable, require } from "./refusal.mjs";
import { isAbout } from "./word.mjs";

const UNREADABLE = /\p{C}/u; // the page writes such characters out
const MAX_SHOWN_CHARS = 200;
// How an event may also spell a standard step. Any other ending is another step: "non-organic" is not "organic".
const STANDARD = ["https://ref.gs1.org/cbv/BizStep-", "cbv:BizStep-"];

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
  const named = said.code === step.code || (!step.filmed && STANDARD.some((lead) => said.code === lead + step.code));
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

/**
 * The envelopes behind the readings that the page names of one series: {device, subject, quantity, unit, heading, named: [{entry,
 * text, at, why}]}. The picture and the counts are not compared: not every reading is here.
 * Refuses RECORD_MISSING, SHOWN_DIFFERS; `Unavailable` NOT_COSIGNED_YET.
 */
export function behindSeries(series, { checkpoint, envelopes, words }) {
  const kind = words[`measured.${series.quantity}.${series.unit}`] ?? words[`measured.${series.quantity}`] ?? series.quantity;
  const symbol = words[`unit.${series.unit}`] ?? series.unit;
  require(series.heading === kind, "SHOWN_DIFFERS", "the page names what was measured otherwise than its records do");
  require(series.named.length > 0, "RECORD_MISSING", "a series is shown of which no reading is named");
  const own = new Map();
  for (const { entry, text, at } of series.named) {
    const where = `entry ${entry}`;
    require(Number.isSafeInteger(entry), "RECORD_MISSING", "a reading is shown for which there is no record", where);
    if (BigInt(entry) >= checkpoint.size) throw new Unavailable("NOT_COSIGNED_YET", "the notaries have not cosigned it yet");
    const found = envelopes.find((each) => each.entry === entry && each.statement.kind === "reading");
    require(found !== undefined, "RECORD_MISSING", "a reading is shown for which there is no record", where);
    const { statement } = found;
    const alike = ["device", "subject", "quantity", "unit"].every((key) => statement[key] === series[key]);
    const told = text === `${statement.value} ${symbol}`.trim();
    require(alike && told, "SHOWN_DIFFERS", "the page shows another reading than was signed", where);
    const timed = at === null || Date.parse(at) === periodOf(found)[0];
    require(timed, "SHOWN_DIFFERS", "the page gives another time than the record does", where);
    own.set(entry, found);
  }
  requireExtremes(series, own);
  return [...own.values()];
}

/** Of the readings that are named, the lowest is told as the lowest, and so on. */
function requireExtremes({ named }, own) {
  const of = (name) => own.get(named.find(({ why }) => why === name)?.entry);
  const values = [...own.values()].map(({ statement }) => Number(statement.value));
  const times = [...own.values()].map((each) => periodOf(each)[0]);
  const fits = (found, most, value) => found === undefined || value(found) === most;
  const value = ({ statement }) => Number(statement.value);
  const whole =
    fits(of("least"), Math.min(...values), value) &&
    fits(of("greatest"), Math.max(...values), value) &&
    fits(of("newest"), Math.max(...times), (found) => periodOf(found)[0]);
  require(whole, "SHOWN_DIFFERS", "another reading is the lowest, the highest or the newest");
}

/** Refuse RECORD_HIDDEN: a proven record that no step and no series of the page shows. */
export function verifyNothingHidden(records, steps, series) {
  const named = series.flatMap((each) => each.named.map(({ entry }) => entry));
  const entries = new Set([...steps.flatMap((step) => step.entries), ...named]);
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
