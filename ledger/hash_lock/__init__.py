"""Hash locks: two legs of value on two chains, both paid or both given back, with no third party. Pure.

`terms` says what a lane and a swap are, `lock` is what each contract enforces (the twin of `hash_lock.vy`), `secret`
makes what opens it, `observed` reads the contracts' logs, `safety` says when an honest party may take its next step,
`hot_float` how much a key at hand may put at stake.
"""

from ledger.hash_lock.bounds import Bounds
from ledger.hash_lock.hot_float import Float, Stake, check_float
from ledger.hash_lock.lock import Lock
from ledger.hash_lock.observed import Funding, Reveal, read_funding, read_reveal
from ledger.hash_lock.offer import dump_offer, load_offer, propose
from ledger.hash_lock.safety import Deadlines, check_before_funding, check_before_reveal, check_mirror, deadlines
from ledger.hash_lock.secret import Secret, hash_of
from ledger.hash_lock.terms import End, Lane, Leg, Role, State, Terms

__all__ = [
    "Bounds",
    "Deadlines",
    "End",
    "Float",
    "Funding",
    "Lane",
    "Leg",
    "Lock",
    "Reveal",
    "Role",
    "Secret",
    "Stake",
    "State",
    "Terms",
    "check_before_funding",
    "check_before_reveal",
    "check_float",
    "check_mirror",
    "deadlines",
    "dump_offer",
    "hash_of",
    "load_offer",
    "propose",
    "read_funding",
    "read_reveal",
]
