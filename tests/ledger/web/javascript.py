"""The browser's rules called from a test: many cases in one call, each answered with "" or the code of its refusal."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page

from ledger.web.modules import modules

FOLDER = modules()[0].address.rpartition("/")[0]

# Bytes travel as {"b64": …}, numbers beyond a double as {"big": "…"}.
_RUN = """async ([folder, cases]) => {
  const names = ["bytes", "canonical", "merkle", "checkpoint", "keys", "trust_root", "evidence", "word", "records",
    "subject", "pin", "shown"];
  const rules = Object.assign({}, ...await Promise.all(names.map(name => import(`${folder}/${name}.mjs`))));
  const bytesOf = text => Uint8Array.from(atob(text), char => char.charCodeAt(0));
  const read = value => {
    if (Array.isArray(value)) return value.map(read);
    if (value === null || typeof value !== "object") return value;
    if ("b64" in value) return bytesOf(value.b64);
    if ("big" in value) return BigInt(value.big);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, read(inner)]));
  };
  const RULES = {
    ...rules,
    cosigned: async (note, root) => {
      const opened = await rules.openCheckpoint(note, root.log);
      return rules.countCosigners(opened.note, root);
    },
    evidence: async (envelopes, enrolments, seenBy, findings = [], orders = []) =>
      rules.verifyWord(envelopes.map(rules.readEnvelope), {
        enrolments: enrolments.map(rules.readEnrolment),
        findings: findings.map(rules.readFinding),
        orders: orders.map(rules.readOrder),
        seenBy,
      }),
    logged: async (records, checkpoint) => rules.verifyLogged(records, checkpoint),
  };
  const found = [];
  for (const [rule, ...given] of cases) {
    try {
      const value = await RULES[rule](...read(given));
      found.push(["", typeof value?.fingerprint === "string" ? value.fingerprint : null]);
    } catch (error) {
      if (error.name !== "Refusal") throw error;
      found.push([error.code, error.what]);
    }
  }
  return found;
}"""


class Rules:
    """The modules, loaded into a page that the ledger serves."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def answers(self, cases: Sequence[Sequence[Any]]) -> list[list[str]]:
        """For each case (rule, arguments…) the code ("" where it holds) and what was said."""
        found: list[list[str]] = self._page.evaluate(_RUN, [FOLDER, [_sent(list(case)) for case in cases]])
        assert len(found) == len(cases)
        return found

    def codes(self, cases: Sequence[Sequence[Any]]) -> list[str]:
        """The codes alone."""
        return [code for code, _ in self.answers(cases)]


def _sent(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, list | tuple):
        return [_sent(item) for item in value]
    if isinstance(value, dict):
        return {key: _sent(inner) for key, inner in value.items()}
    if type(value) is int and abs(value) > 2**53 - 1:
        return {"big": str(value)}
    return value


def big(number: int) -> dict[str, str]:
    """A number that the rule takes as BigInt, however small."""
    return {"big": str(number)}
