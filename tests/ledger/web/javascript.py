"""The browser's rules called from a test: many cases in one call, each answered with "" or the code of its refusal.

Every case is answered twice, by Chromium and by Node, and both must say the same: what holds is not one engine's habit.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ledger.web.modules import FOLDER, MEDIA_TYPE

# Bytes travel as {"b64": …}, numbers beyond a double as {"big": "…"}.
_RUN = """async ([folder, cases]) => {
  const names = ["bytes", "canonical", "merkle", "checkpoint", "keys", "trust_root", "evidence", "word", "records",
    "subject", "pin", "shown", "keccak", "secp256k1", "quorum", "rotation", "outline", "bundle/cbor", "bundle/verify",
    "stamp/stamp"];
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
    doubts: async (...given) => (await RULES.evidence(...given)).map(each => `${each.code} ${each.sequence}`).join(),
    rotated: async (held, offered, orders) =>
      rules.followRotations(
        await rules.readTrustRoot(held),
        await rules.readTrustRoot(offered),
        orders.map(rules.readOrderOfRotation),
      ),
    bundle: async (raw, expected = null) => rules.verifyBundle(raw, { expected }),
    stamped: async (raw, message, roots) => {
      const { time, authority } = await rules.verifyStamp(raw, message, roots);
      return `${authority} at ${time / 1000}`;
    },
    logged: async (records, checkpoint) => rules.verifyLogged(records, checkpoint),
  };
  const found = [];
  for (const [rule, ...given] of cases) {
    try {
      const value = await RULES[rule](...read(given));
      const told = value instanceof Uint8Array ? rules.hexOf(value) : (value?.fingerprint ?? value);
      found.push(["", typeof told === "string" ? told : null]);
    } catch (error) {
      if (error.name !== "Refusal" && error.name !== "Unavailable") throw error;
      found.push([error.name === "Refusal" ? error.code : `unavailable ${error.code}`, error.what ?? ""]);
    }
  }
  return found;
}"""


_LINES = """
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { found: await run(JSON.parse(line)) };
  } catch (error) {
    answer = { broken: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(answer));
}"""


def blank_site() -> Starlette:
    """The modules behind an empty page: a place where a browser lets them run."""

    def module(path: Path) -> Route:
        name = path.relative_to(FOLDER).as_posix()
        return Route(f"/verify/{name}", lambda _: Response(path.read_bytes(), media_type=MEDIA_TYPE))

    page = Route("/", lambda _: HTMLResponse("<!doctype html><title>rules</title>"))
    return Starlette(routes=[page, *map(module, FOLDER.rglob("*.mjs"))])


class Node:
    """The modules in Node, as one process that answers line by line."""

    def __init__(self) -> None:
        program = shutil.which("node") or "/usr/bin/node"  # what is missing fails, and is not skipped
        script = f"const run = {_RUN};{_LINES}"
        self._process = subprocess.Popen(
            [program, "--no-warnings", "--input-type=module", "--eval", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, cases: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([FOLDER.as_uri(), cases]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "broken" not in answer, answer["broken"]
        return answer["found"]

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.communicate(timeout=60)


class Rules:
    """The modules in both engines. `page`: one that `blank_site` serves."""

    def __init__(self, page: Page, node: Node) -> None:
        self._page, self._node = page, node

    def answers(self, cases: Sequence[Sequence[Any]]) -> list[list[str]]:
        """For each case (rule, arguments…) the code ("" where it holds) and what was said."""
        sent = [_sent(list(case)) for case in cases]
        found: list[list[str]] = self._page.evaluate(_RUN, ["/verify", sent])
        assert len(found) == len(cases)
        assert self._node.run(sent) == found
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
