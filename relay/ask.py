"""Finding what somebody asks about: a message, a transaction of any chain, a two-phase transaction.

What no final log names is looked for on the chains themselves, so that a transaction whose block is not final yet, or
that failed, is answered with words and not with a shrug.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ledger.errors import BadInput, Problem, Refused
from relay.explain import explain
from relay.journey import Journey
from relay.relay import Relay
from relay.told import tell_message, tell_transaction, tell_two_phase

_ID = re.compile(r"0x[0-9a-f]{64}")


def hex_id(named: str) -> bytes:
    """32 bytes from 0x-hex. `BadInput` REQUEST_FORMAT."""
    if _ID.fullmatch(named) is None:
        raise BadInput("REQUEST_FORMAT", "a message id is 0x and 64 lower-case hex digits", where=ascii(named)[:80])
    return bytes.fromhex(named[2:])


def find(journeys: Mapping[bytes, Journey], named: str) -> Journey:
    """The journey of a message id in 0x-hex. Errors: `BadInput` REQUEST_FORMAT, `Refused` MESSAGE_UNKNOWN."""
    journey = journeys.get(hex_id(named))
    if journey is None:
        raise Refused(
            "MESSAGE_UNKNOWN",
            "no chain has shown a message of this id yet",
            where=named,
            cure="Ask again once its block is final, or check the id.",
        )
    return journey


def answer_about(relay: Relay, named: str) -> dict[str, Any]:
    """Explain whatever bears this id. Asks nodes, hence not for an event loop.

    Errors: as `find`, MESSAGE_UNKNOWN also for what no chain that answers knows.
    """
    wanted = hex_id(named)
    with relay.still() as journeys:
        if wanted in journeys:
            return tell_message(explain(journeys[wanted], relay.moment))
        found = relay.index.two_phase(wanted)
        if found is not None:
            return tell_two_phase(found, journeys, relay.moment, relay.exchanger.reasons(wanted))
        if (freeze := relay.freezer.told(wanted)) is not None:
            return freeze
        carried = [journeys[each] for each in relay.index.messages_of(wanted) if each in journeys]
        if carried:
            return tell_transaction(wanted, carried, relay.moment)
    return tell_transaction(wanted, (), relay.moment) | {"what": _on_some_chain(relay, wanted, named)}


def _on_some_chain(relay: Relay, transaction: bytes, named: str) -> str:
    """What a chain says of a transaction that no message is known of."""
    silent = []
    for chain_id, node in relay.nodes.items():
        where = relay.moment.name(chain_id)
        try:
            receipt = node.request("eth_getTransactionReceipt", named)
            pending = None if receipt else node.request("eth_getTransactionByHash", named)
        except Problem as problem:
            silent.append(f"{where}: {problem.code}")
            continue
        if isinstance(receipt, dict):
            return f"it stands on {where}: {_of_receipt(receipt)}"
        if pending is not None:
            return f"it waits to be mined on {where}"
    raise Refused(
        "MESSAGE_UNKNOWN",
        f"no chain knows a message or transaction 0x{transaction.hex()}",
        where="; ".join(silent),
        cure="Ask again once its block is final, or check the id.",
    )


def _of_receipt(receipt: Mapping[str, Any]) -> str:
    if receipt.get("status") != "0x1":
        return "it failed, and sent nothing"
    return "no final log of the deployment in it names a message; ask again once its block is final"
