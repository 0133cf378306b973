"""A property that is worked out once for each object: `functools.cached_property` without its lock.

Until Python 3.12 that lock is one for all objects of a class, held while the value is worked out: threads that hash
different headers would wait for one another. Without it two threads may work out one value twice, which is harmless
where it follows from the object alone: use it for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - a decorator, as `property` is one
    """The value is kept in the object's `__dict__`, under the property's name, where it is found before this is."""

    def __init__(self, work_out: Callable[[Any], T]) -> None:
        self._work_out, self.__doc__ = work_out, work_out.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> once[T] | T:
        if instance is None:
            return self
        value: T = self._work_out(instance)
        instance.__dict__[self._name] = value
        return value
