// The order of the checks, from whom one has to believe down to what was said. The first that fails is the answer.
// Nothing of the page is touched here: what the server sent goes in, verified records come out.

import { countCosigners, openCheckpoint, seenBy } from "./checkpoint.mjs";
import { ERASURE_DOMAIN, readErasure } from "./erasure.mjs";
import { readEvent } from "./event.mjs";
import { DEVICE_DOMAIN, EVIDENCE_DOMAIN, readEnrolment, readEnvelope } from "./evidence.mjs";
import { mapped } from "./pace.mjs";
import { verifyGoesOn } from "./pin.mjs";
import { EVENT_DOMAIN, readRecords, verifyLogged } from "./records.mjs";
import { verifySubject } from "./subject.mjs";
import { readTrustRoot } from "./trust_root.mjs";
import { FINDING_DOMAIN, ORDER_DOMAIN, readFinding, readOrder, verifyWord } from "./word.mjs";

/** The steps in their order; `shown`, `readings` and `video` follow on the page, `anchors` is never checked in a browser. */
export const STEPS = ["trust", "checkpoint", "cosigned", "logged", "signed", "subject", "shown", "readings", "video", "anchors"];

/**
 * Run the checks over the server's answer `text` about `unit`. `seen`: the state of the log this browser saw last, or null.
 * `accept(trustRoot, rotations)` throws where another trust root is expected. `during(step, work)` awaits `work()`, tells the reader how it ended, and passes on what it gives or throws.
 * Returns {checkpoint, cosigners, root, records, events: [{value, entry}], envelopes, findings, breaks}; `breaks`: where a
 * recording goes on after something that was erased.
 */
export async function check({ text, unit, seen, accept, during }) {
  let sent;
  const root = await during("trust", async () => {
    sent = readRecords(text);
    const read = await readTrustRoot(sent.trustRoot);
    await accept(read, sent.rotations);
    return read;
  });
  const { checkpoint, note } = await during("checkpoint", async () => {
    const opened = await openCheckpoint(sent.note, root.log);
    await verifyGoesOn(seen, opened.checkpoint, sent.goesOn);
    return opened;
  });
  const cosigners = await during("cosigned", () => countCosigners(note, root));
  const records = await during("logged", async () => {
    await verifyLogged(sent.records, checkpoint);
    return sent.records;
  });
  const breaks = [];
  const [envelopes, findings] = await during("signed", async () => {
    const read = await mapped(of(records, EVIDENCE_DOMAIN), readEnvelope);
    const gone = await mapped(of(records, ERASURE_DOMAIN), readErasure);
    const about = await verifyWord(read, {
      enrolments: await mapped(of(records, DEVICE_DOMAIN), readEnrolment),
      findings: await mapped(of(records, FINDING_DOMAIN), readFinding),
      orders: await mapped(of(records, ORDER_DOMAIN), readOrder),
      seenBy: seenBy(cosigners, root),
      erased: gone.filter(({ kind }) => kind === "evidence").map(({ entry }) => entry),
      breaks,
    });
    return [read, about];
  });
  const events = await during("subject", async () => {
    const read = await mapped(of(records, EVENT_DOMAIN), readEvent);
    verifySubject(unit, read, envelopes);
    return read;
  });
  return { checkpoint, cosigners, root, records, events, envelopes, findings, breaks };
}

const of = (records, domain) => records.filter((record) => record.domain === domain);
