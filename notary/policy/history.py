"""What is taken for a fact of a chain at all: the right network, a final block of a history that did not change, and
nothing after a block that did not re-execute.
"""

from __future__ import annotations

from contracts.manifest import ChainManifest
from ledger.errors import Refused, Unavailable

MAX_DRIFT_SECONDS = 3600  # between a chain's newest block and this machine, before an operator is told


def require_network(chain: ChainManifest, *, chain_id: int, genesis: bytes) -> None:
    """Refuse a node of another chain: CHAIN_ID, or WRONG_NETWORK for the same id on another genesis (E12)."""
    if chain_id != chain.chain_id:
        raise Refused("CHAIN_ID", f"the node serves chain {chain_id}, not {chain.chain_id}", where=chain.name)
    if genesis != chain.genesis:
        raise Refused("WRONG_NETWORK", "the node's genesis block is another one", where=f"0x{genesis.hex()}")


def require_history(chain: ChainManifest, *, number: int, witnessed: bytes, found: bytes) -> None:
    """Sign nothing (`Unavailable` FINAL_REWRITTEN) of a chain on which a block that was final here is now another one.

    A reorganisation deeper than finality, or this notary's node on a fork with the same id and genesis: which of them
    is not known here, and the second one passes.
    """
    if witnessed != found:
        raise Unavailable(
            "FINAL_REWRITTEN",
            f"block {number} was final and is now another one",
            where=chain.caip2,
            cure="Check the node. If the chain was reorganised below finality, the quorum opens a new lane generation.",
        )


def final_height(chain: ChainManifest, *, head: int, finalized: int | None) -> int:
    """The highest final block, negative while there is none: as many blocks below the head as the chain's rule asks
    for, and not above what the chain itself calls finalized where the rule asks for that.
    """
    height = head - chain.rules.finality_blocks
    return height if finalized is None else min(height, finalized)


def require_final(chain: ChainManifest, *, block: int, head: int, final: int) -> None:
    """Ask to wait (`Unavailable` NOT_FINAL) until a block is final by the chain's rule (E05)."""
    where = f"{chain.caip2}, head {head}"
    if block > head:
        raise Unavailable("NOT_FINAL", f"there is no block {block} yet", where=where)
    if block > final:
        what = f"block {block} is not final: {block - final} more block(s) must become so"
        raise Unavailable("NOT_FINAL", what, where=where, cure="Ask again later.")


def clock_alarm(drift: int) -> str:
    """What to tell an operator of a chain whose newest block is `drift` seconds ahead of this machine; "" for nothing.

    Only an alarm (E11): expiries are judged by the time of the chain they are about, whatever any other clock says.
    """
    if abs(drift) <= MAX_DRIFT_SECONDS:
        return ""
    return f"CLOCK_DRIFT: the newest block is {abs(drift)} seconds {'ahead of' if drift > 0 else 'behind'} this machine"


def require_undisputed(chain: ChainManifest, *, block: int, differs_at: int | None) -> None:
    """Refuse (ORIGIN_DIFFERS) what a chain says from the first block on that did not re-execute to what it claims."""
    if differs_at is not None and block >= differs_at:
        raise Refused(
            "ORIGIN_DIFFERS",
            f"re-executing block {differs_at} gave another result; nothing from it on is attested",
            where=chain.caip2,
            cure="See `status` for what differs; if the node was at fault, see notary/README.md, section Clear.",
        )
