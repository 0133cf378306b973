"""A loop that looks after known connections first, and after a few newcomers at a time.

The system tells a loop of all that is ready, of thousands in the moment when a crowd speaks, and the loop looks after
all of them before it asks again: whoever was connected before waited behind the whole crowd. Newcomers stand in a queue
of the system's own (an epoll inside the other), which tells of so many at a time, each in its turn.
While a known one's work is under way newcomers may be held back, so that it has the interpreter to itself.
May never happen here: a newcomer that is ready and never told of, or a connection that stands in both.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from collections import ChainMap
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    Ready = list[tuple[selectors.SelectorKey, int]]

AT_ONCE: Final = 4  # of newcomers, before known ones are looked after again


class KnownFirst(selectors.EpollSelector):
    """As its base, but for what is a newcomer when it is registered. For one event loop."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        super().__init__()
        self._at_once, self._newcomers = at_once, set[int]()
        self._queue, self._keys = select.epoll(), dict[int, selectors.SelectorKey]()
        self._is_held_back, self._looked = False, True
        super().register(self._queue, selectors.EVENT_READ)

    def is_new(self, descriptor: int) -> None:
        """Take this one for a newcomer, from when it is registered next."""
        self._newcomers.add(descriptor)

    def is_known(self, descriptor: int) -> None:
        """It is none any more: it was answered, or is gone."""
        self._newcomers.discard(descriptor)
        key = self._keys.pop(descriptor, None)
        if key is not None:
            self._queue.unregister(descriptor)
            super().register(key.fileobj, key.events, key.data)

    def hold_back(self) -> None:
        """Tell of no newcomer until `go_on`; nothing, where none could be told of since the last time."""
        if self._looked:
            super().unregister(self._queue)
            self._is_held_back, self._looked = True, False

    def go_on(self) -> None:
        """Tell of newcomers again."""
        if self._is_held_back:
            super().register(self._queue, selectors.EVENT_READ)
        self._is_held_back = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the base does."""
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if descriptor not in self._newcomers:
            return super().register(fileobj, events, data)
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        self._queue.register(descriptor, _mask(events))
        key = self._keys[descriptor] = selectors.SelectorKey(fileobj, descriptor, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the base does."""
        key = self._key_of(fileobj)
        if key is None:
            return super().unregister(fileobj)
        del self._keys[key.fd]
        self._queue.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the base does."""
        key = self._key_of(fileobj)
        if key is None:
            return super().modify(fileobj, events, data)
        self._queue.modify(key.fd, _mask(events))
        key = self._keys[key.fd] = key._replace(events=events, data=data)
        return key

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the base does."""
        return ChainMap(self._keys, super().get_map())  # type: ignore[arg-type]  # it only reads

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """As the base does."""
        return self._key_of(fileobj) or super().get_key(fileobj)

    def select(self, timeout: float | None = None) -> Ready:
        """As the base does, with at most so many newcomers, behind all others."""
        ready = super().select(timeout)
        self._looked = self._looked or not self._is_held_back
        known = [each for each in ready if each[0].fileobj is not self._queue]
        return known if len(known) == len(ready) else known + self._next_newcomers()

    def close(self) -> None:
        """As the base does."""
        self._queue.close()
        super().close()

    def _next_newcomers(self) -> Ready:
        found: Ready = []
        for descriptor, event in self._queue.poll(0, self._at_once):
            read = selectors.EVENT_READ if event & ~select.EPOLLOUT else 0
            write = selectors.EVENT_WRITE if event & ~select.EPOLLIN else 0
            key = self._keys[descriptor]
            found.append((key, (read | write) & key.events))
        return found

    def _key_of(self, fileobj: Any) -> selectors.SelectorKey | None:
        return self._keys.get(fileobj if isinstance(fileobj, int) else fileobj.fileno())


class ServingLoop(asyncio.SelectorEventLoop):
    """A loop with `KnownFirst`."""

    def __init__(self) -> None:
        self.first = KnownFirst()
        super().__init__(self.first)
        self._at_the_latest: asyncio.TimerHandle | None = None

    def hold_back(self, seconds: float) -> None:
        """Look after no newcomer until `go_on`, or until `seconds` have passed."""
        self.go_on()
        self.first.hold_back()
        self._at_the_latest = self.call_later(seconds, self.first.go_on)

    def go_on(self) -> None:
        """Look after newcomers again."""
        if self._at_the_latest is not None:
            self._at_the_latest.cancel()
            self._at_the_latest = None
        self.first.go_on()


def _mask(events: int) -> int:
    reads, writes = events & selectors.EVENT_READ, events & selectors.EVENT_WRITE
    return (select.EPOLLIN if reads else 0) | (select.EPOLLOUT if writes else 0)
