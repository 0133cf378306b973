"""The same notary on the chains that need nothing installed."""

from __future__ import annotations

from pathlib import Path

from ledger.attestation import SAME
from notary.config import NotaryConfig
from notary.service import start
from tests.chains import deployed_on_embedded
from tests.notary.subject import commit_locator, locator, refusal, write_keys


def test_a_message_is_attested_and_its_commit_judged_on_embedded_chains(tmp_path: Path) -> None:
    with deployed_on_embedded(tmp_path / "chains") as chains:
        write_keys(tmp_path / "notary0", 0)
        running = start(NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path / "notary0"))
        try:
            sent, other = chains.send(), chains.send()
            assert running.notary.attest([locator(sent)]).ids == (sent.message.id,)
            place = commit_locator(chains.commit(sent)[1])
            verdict = running.notary.judge(locator(sent), place).verdict
            assert (verdict.verdict, verdict.executed) == (SAME, True)
            assert refusal(lambda: running.notary.judge(locator(other), place)).code == "COMMIT_MISMATCH"
            running.notary.keep_up()
            found = {each.verdict for each in running.notary.status().chains.values()}
            assert found <= {"same", "unchecked"}
        finally:
            running.stop()
