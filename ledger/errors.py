"""The one family of errors. Every refusal says the same four things: code, what, where, and the cure.

`code` is stable (programs and tests match on it, `tests/` names cases after it), the other three are for people.
The subclass says who can do something about it, which is also how the edges answer:

=================  ==================================  =============  ====
class              who acts                            exit status    HTTP
=================  ==================================  =============  ====
`BadInput`         whoever handed the bytes in         1              422
`Refused`          nobody: a check said no             1              409
`Unavailable`      nobody yet: it may pass by itself   1              503
`WrongUse`         whoever typed the command           2              400
=================  ==================================  =============  ====
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class Problem(Exception):
    """Base of every error this project raises on purpose. Raise one of the subclasses.

    `code`: UPPER_SNAKE, stable. `what`: one sentence. `where`: the field, file, block or id it is about.
    `cure`: what the reader can do now; empty only where nothing can be done.
    """

    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    labels: Mapping[str, str] = MappingProxyType({"where": "where", "cure": "cure"})  # in the reader's language

    def __init__(self, code: str, what: str, *, where: str = "", cure: str = "") -> None:
        super().__init__(code, what, where, cure)
        self.code, self.what, self.where, self.cure = code, what, where, cure

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{self.code}: {self.what}{place}{cure}"


class BadInput(Problem):
    """The bytes handed in are not what they should be; the same bytes will never be accepted."""

    http_status = 422


class Refused(Problem):
    """A well-formed request failed a check: a proof, a signature, a state, a policy."""

    http_status = 409


class Unavailable(Problem):
    """Something this needs is not there now: a node, a notary, a port. The same request may succeed later."""

    http_status = 503


class WrongUse(Problem):
    """The command or setting itself is wrong."""

    exit_status = 2
    http_status = 400
