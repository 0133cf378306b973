"""`pledgetrail fsck`: whether everything in a ledger's folder is still what was written there.

Two nets, of different mesh. Sums find any bit that flipped by itself: of database pages (used or not), tree files,
media and key. Digests, the tree and signatures find what somebody changed on purpose, sums and all: of whatever an
entry of the log binds. Nothing is written, and nothing that is found is repaired: the cure says what can be made again
and what only a copy can bring back.
May never happen here: a pass that stops at the first damage, or a row that nobody can name.
"""

from ledger.store.check.folder import check_folder
from ledger.store.check.found import Found, Progress, Severity

__all__ = ["Found", "Progress", "Severity", "check_folder"]
