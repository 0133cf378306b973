"""What other published systems spend on the same work, measured on the same fork.

`peers.json` keeps the figures as facts: their published bytecode on a Prague EVM, fixed keys, one 32-byte payload in
each peer's own envelope, verified to refuse a tampered signature. `fresh` reads them again from such a run's output.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

STORED: Final = Path(__file__).parent / "peers.json"
OWN_REFERENCES: Final = "floor:"  # what the laboratory wrote itself to know how low one can go: nobody's system
VERIFY: Final = (
    "parseAndVerifyVM (proxy)",
    "ism.verify",
    "validateProof",
    "validateProof (proxy)",
    "checkNSignatures (proxy)",
    "verifySignatures",
    "verifyMessage",
    "transmit (F+1 sigs)",
    "verify",
)
DELIVER: Final = ("deliver: ",)
ANCHOR: Final = ("EAS timestamp(bytes32)", "EAS attest(bytes32 root)")
TOGETHER: Final = "approveMessages x10"


@dataclass(frozen=True, slots=True)
class Peer:
    """One figure of another system. `kind` groups what is comparable; gas None where only the other is known."""

    kind: str
    name: str
    what: str
    signers: int | None
    members: int | None
    gas: int | None
    frame_gas: int | None
    source: str = "measured"

    def of(self, basis: str) -> int:
        """Total or frame gas; a figure that is not known never is the cheapest."""
        found = self.gas if basis == "gas" else self.frame_gas
        return 2**63 if found is None else found


def stored() -> list[Peer]:
    """The figures kept in the repository."""
    return [Peer(**fields) for fields in json.loads(STORED.read_text())["peers"]]


def fresh(folder: Path) -> list[Peer]:
    """The figures of a new run (`gas_prague.json` in its output folder); published ones that no run gives stay."""
    content = json.loads((folder / "gas_prague.json").read_text())
    if content["fork"] != "prague":
        raise ValueError(f"figures of fork {content['fork']}, not prague")
    measured = [_signed(row) for row in content["rows"]] + [_anchor(row) for row in content["anchors"]]
    published = [peer for peer in stored() if peer.source != "measured"]
    return [peer for peer in measured if peer is not None] + published


def as_json(peers: list[Peer]) -> str:
    """The form of `peers.json`: one figure a line."""
    lines = ",\n".join("  " + json.dumps(asdict(peer), ensure_ascii=False) for peer in peers)
    return f'{{"fork": "prague", "peers": [\n{lines}\n]}}\n'


def _signed(row: dict[str, Any]) -> Peer | None:
    if row["peer"].startswith(OWN_REFERENCES):
        return None
    gas, frame, what = row["gas_used"], row["gas_used"] - row["intrinsic"], row["what"]
    if what in VERIFY:
        kind = "verify"
    elif what.startswith(DELIVER):
        kind = "deliver"
    elif what == TOGETHER:
        kind, what, gas, frame = "together", f"{what}, per message, not yet executed", gas // 10, frame // 10
    else:
        return None
    return Peer(kind, row["peer"], what, row["t"], row["n"], gas, frame)


def _anchor(row: dict[str, Any]) -> Peer | None:
    if row["what"] not in ANCHOR:
        return None
    return Peer("anchor", "EAS", row["what"], None, None, row["gas_used"], row["gas_used"] - row["intrinsic"])
