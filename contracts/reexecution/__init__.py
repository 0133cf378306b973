"""Re-execution: did a block do what its transactions say, from a state that its parent proves?

`BlockChecker(node, rules).check(parent, number)` answers with a `BlockCheck`; `evidence` then gives a file that
`replay` executes again with no node. `README.md` beside this file says what a verdict means, what is checked and what
is not.
"""

from contracts.reexecution.checker import BlockChecker
from contracts.reexecution.replaying import Replayed, evidence, replay
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import BlockCheck, Verdict

__all__ = ["BlockCheck", "BlockChecker", "ChainRules", "Replayed", "Verdict", "evidence", "replay"]
