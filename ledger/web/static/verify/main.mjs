// What runs on the consumer page: fetch the records, check them, compare them with the page, check and play the video.
// Every end is written where the reader sees it; whatever goes wrong unforeseen counts as not checked, never as holding.

import { check, STEPS } from "./check.mjs";
import { Page } from "./page.mjs";
import { accept, addressed, lastSeen, remember, remembered, saw } from "./pin.mjs";
import { silence } from "./player.mjs";
import { Refusal, Unavailable } from "./refusal.mjs";
import { Rotated } from "./rotation.mjs";
import { behind, behindSeries, verifyNothingHidden } from "./shown.mjs";
import { identifierAt } from "./subject.mjs";
import { Videos } from "./videos.mjs";
import { WORDS } from "./words.mjs";

const MAX_RECORDS_BYTES = 32 * 2 ** 20;

const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const page = new Page(document, WORDS[language]);
const present = STEPS.filter((step) => step !== "readings" || page.has(step));
if (page.source !== null) run();

async function run() {
  present.slice(0, -1).forEach((step) => page.tell(step, "waiting"));
  page.verdict("waiting", page.say("verdict.waiting"));
  try {
    await checkAll();
  } catch (error) {
    if (error instanceof Refusal || page.refused) silenceAll(page.steps());
    if (error instanceof Refusal) return;
    page.verdict("unchecked", page.say(error instanceof Rotated ? "verdict.rotated" : "verdict.unavailable"));
    if (!(error instanceof Unavailable)) throw error;
  }
}

/** All steps in their order, and the verdict where nothing was false. */
async function checkAll() {
  const seen = lastSeen();
  const kept = remembered();
  const text = await during("trust", () => fetchRecords(seen, [addressed(location.hash), kept]));
  let expected = false;
  const found = await check({
    text,
    unit: identifierAt(location.pathname),
    seen,
    during,
    accept: async (root, rotations) => {
      expected = await acceptOrOffer(root, { fragment: location.hash, kept, rotations });
    },
  });
  const lasting = remember(found.root.fingerprint);
  saw(found.checkpoint);
  page.tell("trust", "holds", page.say(expected ? "trust.same" : lasting ? "trust.first" : "trust.unkept"));
  tellLog(found);
  const steps = page.steps();
  const pending = await during("shown", async () => compare(steps, found));
  page.tell("shown", pending ? "unchecked" : "holds", page.say("more.shown", { count: steps.length }));
  const open = page.has("readings") || page.series().length > 0 ? await checkReadings(found) : false;
  await checkVideos(steps, found, (videos) => conclude(pending || open, videos, found));
}

/** Whether the trust root was expected. Another one is offered to the reader, and the checks end here. */
async function acceptOrOffer(root, known) {
  page.fingerprint(root.fingerprint);
  try {
    return await accept(root, known);
  } catch (error) {
    const rotated = error instanceof Rotated;
    const label = rotated ? page.say("offer.rotated", error) : "";
    const take = () => remember(root.fingerprint) && location.reload();
    if (rotated || error.code === "TRUST_ROOT_CHANGED") page.offer(take, label);
    throw error;
  }
}

/** What keeps the verdict from green though nothing was false. A refusal stays. */
function conclude(pending, videos, { findings, breaks, events, envelopes }) {
  if (page.refused || !videos.settled) return;
  const nothing = events.length + envelopes.length === 0;
  const partly = pending || nothing || page.erased || videos.missing;
  const doubts = findings.length + breaks.length > 0;
  const left = partly ? "partly" : videos.unfinished ? "playing" : doubts ? "doubts" : "";
  page.verdict(left === "" ? "holds" : "unchecked", page.say(left === "" ? "verdict.holds" : `verdict.${left}`));
}

/** The records as text. `seen`: the state of the log seen last; `held`: fingerprints of trust roots, or null. */
async function fetchRecords(seen, held) {
  const known = [...new Set(held)].filter((each) => each !== null).map((each) => each.replaceAll(" ", ""));
  const asked = [seen === null ? "" : `seen=${seen.size}`, known.length === 0 ? "" : `root=${known}`].filter(Boolean);
  const address = page.source + (asked.length === 0 ? "" : `?${asked.join("&")}`);
  let answer;
  try {
    answer = await fetch(address, { credentials: "omit", redirect: "error" });
    if (!answer.ok) throw new Unavailable("RECORDS_MISSING", `the server gave no records (${answer.status})`);
    const text = await answer.text();
    if (text.length > MAX_RECORDS_BYTES) throw new Unavailable("RECORDS_LIMIT", "there is more than this page can check");
    return text;
  } catch (error) {
    throw error instanceof Unavailable ? error : new Unavailable("RECORDS_MISSING", "the server gave no records");
  }
}

/** Await one step's work and write how it ended; the first refusal is the page's verdict. */
async function during(step, work) {
  try {
    const result = await work();
    page.tell(step, "holds");
    return result;
  } catch (error) {
    const refused = error instanceof Refusal;
    const rest = present.slice(present.indexOf(step) + 1);
    rest.forEach((later) => page.tell(later, "unchecked"));
    page.tell(step, refused ? "refused" : "unchecked", refused ? reasonOf(step, error) : whyNot(error));
    if (refused) refuse(step, error);
    throw error;
  }
}

const whyNot = (error) => page.say(error instanceof Rotated ? "trust.rotated" : "why.unavailable", error);

function refuse(step, error) {
  const [name] = page.say(`check.${step}`).split(/[:：]/);
  page.verdict("refused", page.say("verdict.refused", { reason: sentenceOf(step, error), step: name }));
  const entry = Number(/^entry (\d+)$/.exec(error.where)?.[1] ?? NaN);
  for (const { article, entries } of page.steps()) {
    page.tellStep(article, entries.includes(entry) ? "refused" : "unchecked", "");
  }
  for (const { article, named } of page.series()) {
    page.tellStep(article, named.some((each) => each.entry === entry) ? "refused" : "unchecked", "");
  }
}

function sentenceOf(step, error) {
  const key = `reason.${error.code}`;
  return page.say(key in page.words ? key : `reason.${step}`);
}

/** The sentence with what people who look into it need: the code and the entry. */
function reasonOf(step, error) {
  const sentence = sentenceOf(step, error);
  return `${sentence} (${[error.code, error.where].filter(Boolean).join(", ")})`;
}

function tellLog({ checkpoint, cosigners, records, envelopes, events, findings }) {
  const at = new Date(Number(cosigners.map(({ time }) => time).sort((a, b) => (a < b ? -1 : 1))[0]) * 1000);
  page.tell("checkpoint", "holds", page.say("more.checkpoint", { origin: checkpoint.origin, size: checkpoint.size }));
  page.tell("cosigned", "holds", page.say("more.cosigned", { count: cosigners.length, time: utc(at) }));
  page.tell("logged", "holds", page.say("more.logged", { count: records.length }));
  const devices = new Set(envelopes.map(({ statement }) => statement.device)).size;
  const doubts = findings.length === 0 ? "" : ` ${page.say("more.findings", { count: findings.length })}`;
  page.tell("signed", "holds", page.say("more.signed", { count: envelopes.length, devices }) + doubts);
  page.tell("subject", "holds", page.say("more.subject", { count: envelopes.length + events.length }));
}

/** Compare every step with its record; true where one is too new for the checkpoint. */
function compare(steps, found) {
  let pending = false;
  for (const step of steps) {
    try {
      step.behind = behind(step, { ...found, words: page.words });
      page.tellStep(step.article, step.video === null ? "holds" : "waiting", factsOf(step.behind));
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      pending = true;
      page.tellStep(step.article, "unchecked", page.say("why.not-cosigned"));
    }
  }
  verifyNothingHidden(found.records, steps, page.series());
  return pending;
}

/** Compare every reading that the page names with its record; true where some could not be. */
async function checkReadings(found) {
  const told = await during("readings", async () => page.series().map((series) => tellSeries(series, found)));
  const own = told.flatMap(({ behind: envelopes }) => envelopes);
  const devices = new Set(own.map(({ statement }) => statement.device)).size;
  const open = told.some(({ pending }) => pending);
  const state = open || own.length === 0 ? "unchecked" : "holds";
  page.tell("readings", state, page.say("more.readings", { count: own.length, devices }));
  return open;
}

/** {behind, pending} of one series, and how it ended written beside it. A position is kept back, which leaves nothing open. */
function tellSeries(series, found) {
  const end = (state, text, behindIt = [], pending = false) => {
    page.tellStep(series.article, state, text);
    return { behind: behindIt, pending };
  };
  if (series.quantity === "position") return end("unchecked", page.say("why.position"));
  try {
    const own = series.unlogged && series.named.length === 0 ? [] : behindSeries(series, { ...found, words: page.words });
    if (series.unlogged) return end("unchecked", page.say("why.not-logged"), own, true);
    return end("holds", page.say("fact.readings", { device: series.device, count: own.length }), own);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return end("unchecked", page.say("why.not-cosigned"), [], true);
  }
}

/** Check the bytes of the videos and let exactly these play, also those that are still to come. */
async function checkVideos(steps, { records }, changed) {
  const videos = new Videos(page, steps, records, {
    wholeBytes: page.wholeBytes,
    chunkedBytes: page.chunkedBytes,
    facts: factsOf,
    changed: () => changed(videos),
    refused: (error) => during("video", () => Promise.reject(error)).catch(() => silenceAll(steps)),
  });
  try {
    await videos.check();
  } catch (error) {
    await during("video", () => Promise.reject(error));
  }
  changed(videos);
}

const silenceAll = (steps) => steps.forEach(({ video }) => video !== null && silence(video));

/** What the record itself says, in the reader's sight: written here from verified bytes, not by the server. */
function factsOf({ envelopes, event, findings }) {
  if (event !== null) return page.say("fact.event", { time: utc(new Date(event.value.eventTime)), type: event.value.type });
  const [{ statement }] = envelopes;
  const time = utc(new Date(statement.recorded_from));
  const doubts = findings.length === 0 ? "" : ` ${page.say("fact.findings", { codes: findings.join(", ") })}`;
  return page.say("fact.filmed", { time, device: statement.device, count: envelopes.length }) + doubts;
}

const utc = (moment) => `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC`;
