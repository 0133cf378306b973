"""Outcomes are text in one word; Vyper takes only literals, so each is compared with the text beside it."""

from __future__ import annotations

import re

from contracts.compiler import SOURCES

LINE = re.compile(r'^[A-Z_]+: constant\(bytes32\) = 0x([0-9a-f]{64})  # "([ -~]+)"$', re.MULTILINE)


def test_every_outcome_is_its_text() -> None:
    source = (SOURCES / "outcome.vy").read_text()
    found = LINE.findall(source)
    assert len(found) == source.count("constant(bytes32)") == 21
    for word, text in found:
        assert bytes.fromhex(word) == text.encode().ljust(32, b"\x00")
