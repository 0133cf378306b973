"""A notary under test: real chains, its own folder, nodes that may lie, and what a refusal must leave behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.node import Node
from ledger.errors import Problem
from notary.config import NotaryConfig
from notary.durable import JOURNAL_FILE
from notary.notary import Notary
from notary.policy import LeavesNotReady, LeavesRefused
from notary.proven import Locator
from notary.signer import ATTESTING_FILE, COSIGNING_FILE
from tests.chains import COSIGNING_KEYS, NOTARY_KEYS, Deployed, Sent

NOW = 1_800_000_000
Lie = Callable[[str, Sequence[Any], Any], Any]


def honest(_method: str, _params: Sequence[Any], result: Any) -> Any:
    """The lie of a node that does not lie."""
    return result


class LyingNode:
    """A node whose answers pass through `lie`. Stands behind the production seam `Node`."""

    def __init__(self, inner: Node, lie: Lie = honest) -> None:
        self._inner, self.lie = inner, lie

    @property
    def url(self) -> str:
        return self._inner.url

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        results = self._inner.batch(calls)
        return [self.lie(method, params, result) for (method, params), result in zip(calls, results, strict=True)]


def write_keys(folder: Path, index: int) -> None:
    """Give a folder the keys of one member of the test committee."""
    folder.mkdir(parents=True, exist_ok=True)
    secrets = {ATTESTING_FILE: NOTARY_KEYS[index].secret, COSIGNING_FILE: COSIGNING_KEYS[index].private_key}
    for name, secret in secrets.items():
        (folder / name).write_text(secret.hex() + "\n")
        (folder / name).chmod(0o600)


def locator(sent: Sent) -> Locator:
    """Where a sent message's log stands."""
    return Locator(sent.message.origin.chain_id, sent.block, sent.transaction_index, sent.log_index)


def commit_locator(fields: Mapping[str, Any]) -> Locator:
    """A commit's place, as `Deployed.commit` names it."""
    chain_id = int(fields["chain"].removeprefix("eip155:"))
    return Locator(chain_id, fields["block"], fields["transaction_index"], fields["log_index"])


class Subject:
    """Notary 0 of a deployment. `liars`: its nodes by chain id; set `.lie` on one to make it lie."""

    def __init__(self, chains: Deployed, folder: Path) -> None:
        write_keys(folder, 0)
        self.chains, self.folder = chains, folder
        self.config = NotaryConfig(0, chains.manifest, dict(chains.urls), folder)
        self.liars = {each.chain_id: LyingNode(chains.node(each.role)) for each in chains.manifest.chains}
        self.notary = self._open()

    def _open(self) -> Notary:
        return Notary(self.config, nodes=self.liars, clock=lambda: NOW)

    def restart(self) -> None:
        """Close the notary and open it again on the same folder, as after a crash."""
        self.notary.close()
        self.notary = self._open()

    def beside(self, index: int) -> Notary:
        """Another member on the same chains, with a folder of its own; closed by whoever asks."""
        folder = self.folder.parent / f"beside{index}"
        write_keys(folder, index)
        return Notary(NotaryConfig(index, self.chains.manifest, dict(self.chains.urls), folder), nodes=self.liars)

    def close(self) -> None:
        self.notary.close()

    def promises(self) -> list[Any]:
        """Every row the journal holds about promises, verdicts and checkpoints, read past the notary."""
        with sqlite3.connect(f"file:{self.folder / JOURNAL_FILE}?mode=ro", uri=True) as db:
            tables = ("promises", "attestations", "verdicts", "checkpoints", "finals")
            return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]

    def refuses(self, ask: Callable[[Notary], object], code: str) -> Problem:
        """Assert that asking is refused with `code`, promises nothing, and is refused alike after a restart."""
        before = self.promises()
        first = refusal(lambda: ask(self.notary))
        assert codes(first) == {code}, first
        assert self.promises() == before, "a refusal must leave no promise behind"
        self.notary.close()
        again = refusal(self._ask_anew(ask))
        assert codes(again) == {code}, again
        assert self.promises() == before
        return first

    def _ask_anew(self, ask: Callable[[Notary], object]) -> Callable[[], None]:
        def opened() -> None:
            self.notary = self._open()
            ask(self.notary)

        return opened


def refusal(ask: Callable[[], object]) -> Problem:
    """The typed error that asking raises."""
    with pytest.raises(Problem) as caught:
        ask()
    return caught.value


def codes(problem: Problem) -> set[str]:
    """The codes of the refused leaves where there are some, else the error's own."""
    if isinstance(problem, (LeavesRefused, LeavesNotReady)):
        return {each.problem.code for each in problem.refused}
    return {problem.code}
