"""A transport whose answers a function of the request gives, read piece by piece as those of a socket are."""

from __future__ import annotations

from collections.abc import Callable

import httpx


class Answering(httpx.BaseTransport):
    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        made = self._answer(request)
        return httpx.Response(made.status_code, headers=made.headers, stream=made.stream)
