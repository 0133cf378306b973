"""A chain's rules as re-execution takes them, from what the manifest states."""

from __future__ import annotations

from contracts.manifest import ChainManifest, Seals
from contracts.reexecution import ChainRules


def rules_of(chain: ChainManifest) -> ChainRules:
    """The rules of a chain. Errors: `WrongUse` RULES_FORK, RULES_VALUE when they are not ones we can execute."""
    rules = chain.rules
    return ChainRules(
        chain.chain_id,
        fork=rules.fork,
        trie=rules.trie,
        system_writes=rules.system_calls,
        withdrawals=rules.withdrawals,
        base_fee=rules.base_fee,
        sealed=rules.seals is not Seals.NONE,
    )
