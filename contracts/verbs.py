"""The contracts room's part of the `pledgetrail` command."""

from __future__ import annotations

import typer

from contracts.embedded import verbs as embedded


def register(app: typer.Typer) -> None:
    """Add the `chain` verbs."""
    embedded.register(app)
