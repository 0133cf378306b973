// EPCIS events as the checks read them: of the log's word, only what is compared.

import { parseCanonical } from "./canonical.mjs";
import { require } from "./refusal.mjs";

const MAX_EVENT_BYTES = 2 ** 20;

/** {value, entry} of an event's record. Refuses EVENT_FIELD, NON_CANONICAL, JSON_…. */
export function readEvent({ canonical, entry }) {
  const value = parseCanonical(canonical, MAX_EVENT_BYTES);
  const whole = typeof value?.type === "string" && !Number.isNaN(Date.parse(value.eventTime));
  require(whole, "EVENT_FIELD", "a field of an event is missing or malformed", `entry ${entry}`);
  return { value, entry };
}
