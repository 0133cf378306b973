// Whether records are about the thing in the reader's hand: its code, as the address says, leads to each of them.
// Looser than the trace that `pledgetrail verify` follows, which also heeds the time something was inside another thing.
// May never happen here: taking the server's word for what the thing is.

import { Refusal, Unavailable } from "./refusal.mjs";

const BASE = "https://id.gs1.org";
const LISTS = ["epcList", "childEPCs", "inputEPCList", "outputEPCList"];
const QUANTITIES = ["quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"];
const UNIT = /^(https:\/\/id\.gs1\.org\/01\/\d{14})(?:\/10\/([^/]+))?\/21\/[^/]+$/;

/** The identifier that this page's address names. */
export function identifierAt(path) {
  return path.startsWith("/id/") ? decodeURIComponent(path.slice("/id/".length)) : BASE + path;
}

/**
 * Refuse SUBJECT_UNKNOWN, SUPERFLUOUS unless `unit` leads to every event of `events` ({value, entry}) and to what every
 * envelope was filmed for. `Unavailable` where events name things in a form that only the full check can read.
 */
export function verifySubject(unit, events, envelopes) {
  const links = events.map(({ value, entry }) => ({ names: namesIn(value), entry }));
  const reached = new Set([unit, ...lotOf(unit)]);
  let left = links;
  for (let before = -1; before !== left.length; ) {
    before = left.length;
    left = left.filter(({ names }) => {
      if (!names.some((name) => reached.has(name))) return true;
      names.forEach((name) => reached.add(name));
      return false;
    });
  }
  const foreign = [...left, ...envelopes.filter(({ statement }) => !reached.has(statement.lot ?? statement.subject))];
  if (foreign.length === 0) return;
  if (links.some(({ names }) => names.some((name) => !name.startsWith(BASE)))) {
    throw new Unavailable("SUBJECT_FORM", "events name things in a form that only the full check can read");
  }
  throw new Refusal("SUPERFLUOUS", "a record has nothing to do with this item", `entry ${foreign[0].entry}`);
}

/** Everything that an event names, with the lots of single things. */
export function namesIn(event) {
  const things = LISTS.flatMap((key) => event[key] ?? []);
  const amounts = QUANTITIES.flatMap((key) => event[key] ?? []).map((quantity) => quantity.epcClass);
  const names = [...things, ...amounts, event.parentID, event.transformationID].filter(Boolean);
  const lot = Object.entries(event.ilmd ?? {}).find(([key]) => key.endsWith("lotNumber"))?.[1];
  const lots = names.flatMap((name) => lotOf(name, lot));
  return [...names, ...lots];
}

/** The lot of a single thing: by its own writing, or by what its event says. */
function lotOf(name, number = null) {
  const [, article, written] = UNIT.exec(name) ?? [];
  const lot = written ?? (number === null ? null : encodeURIComponent(number));
  return article === undefined || lot === null ? [] : [`${article}/10/${lot}`];
}
