// The whole file in the order of `pledgetrail verify`: the first thing that does not hold is the answer. Nothing of a page is
// touched here: bytes go in, what they prove comes out.

import { breathe } from "../pace.mjs";
import { verifyLogged } from "../records.mjs";
import { require } from "../refusal.mjs";
import { verifyStamp } from "../stamp/stamp.mjs";
import { TRUST_ROOT_DOMAIN, readTrustRoot } from "../trust_root.mjs";
import { checkObjects, verifyAbout, verifyDevices } from "./contents.mjs";
import { verifyAnchor } from "./crossing.mjs";
import { believe } from "./epochs.mjs";
import { verifyErased } from "./erased.mjs";
import { objectsOf, readBundle } from "./file.mjs";
import { requireNeeded, verifyPledge } from "./pledge.mjs";

/** The steps in their order. */
export const BUNDLE_STEPS = [
  "sealed", "trust", "checkpoint", "stamped", "judged", "anchored", "sealers", "certified", "attested", "committed", "credential",
  "logged", "signed", "subject", "pledge",
];

/**
 * Verify a bundle's file. `expected`: the fingerprint of the trust root that the reader holds, or null; `during(step, work)`
 * awaits `work()`, tells the reader how it ended, and passes on what it gives or throws.
 * Returns {bundle, root, believed, stamp, crossed, gone, envelopes, findings, revoked, breaks, kind, events, told}.
 */
export async function verifyBundle(raw, { expected = null, during = (_, work) => work() }) {
  const bundle = await during("sealed", () => readBundle(raw));
  const root = await during("trust", () => readRoot(bundle, expected));
  const believed = await during("checkpoint", () => believe(bundle, root));
  const stamp = await during("stamped", () => openStamp(bundle, root));
  const crossed = await verifyAnchor(bundle, believed, during);
  const gone = await during("logged", async () => {
    checkObjects(bundle);
    await verifyLogged(bundle.objects, believed.provenIn);
    return verifyErased(bundle, believed.provenIn);
  });
  const said = await during("signed", () => verifyDevices(bundle, believed.seenBy, gone));
  const about = await during("subject", () => verifyAbout(bundle, said.envelopes, gone));
  await breathe();
  const told = await during("pledge", async () => {
    if (bundle.pledge !== null) return verifyPledge(bundle, believed);
    requireNeeded(null, believed);
    return [];
  });
  return { bundle, root, believed, stamp, crossed, gone, ...said, ...about, told };
}

/** {time (ms), authority} of the timestamp over the cosigned checkpoint; null where there is none. */
async function openStamp({ stamp, note }, { timestamping }) {
  return stamp === null ? null : verifyStamp(stamp, note, timestamping);
}

async function readRoot(bundle, expected) {
  const copies = objectsOf(bundle, TRUST_ROOT_DOMAIN);
  require(copies.length === 1, "TRUST_ROOT", "a bundle carries exactly one trust root");
  const root = await readTrustRoot(copies[0].canonical);
  const known = expected === null || expected === root.fingerprint;
  require(known, "TRUST_ROOT", "the bundle was made under another trust root than the one given", expected ?? "");
  return root;
}
