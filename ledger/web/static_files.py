"""Style sheet, icon and modules, under names that hold their digest."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from ledger.web.modules import MEDIA_TYPE, module_bytes, modules
from ledger.web.pages import STATIC, static_address, static_bytes

_FOREVER = "public, max-age=31536000, immutable"


def static_files() -> APIRouter:
    """`/static/…`, and `/`, which leads to the portal."""
    router = APIRouter(include_in_schema=False)
    for name, media_type in STATIC.items():
        router.add_api_route(static_address(name), _serving(static_bytes(name), media_type), methods=["GET", "HEAD"])
    for module in modules():
        serving = _serving(module_bytes()[module.name], MEDIA_TYPE)
        router.add_api_route(module.address, serving, methods=["GET", "HEAD"])

    @router.get("/")
    def start() -> Response:
        return RedirectResponse("/portal", status_code=307)

    return router


def _serving(raw: bytes, media_type: str) -> Callable[[], Response]:
    def serve() -> Response:
        return Response(raw, media_type=media_type, headers={"Cache-Control": _FOREVER})

    return serve
