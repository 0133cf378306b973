"""GS1's 23 example documents, read where they lie; never copied here."""

from __future__ import annotations

from tests.ledger.refusals import public_vectors

# GS1's own example that names `eventID` twice in one event; every other one is strict JSON.
REPEATS_A_NAME = "AssociationEvent-h.jsonld"


def example_documents() -> list[tuple[str, bytes]]:
    """(file name, bytes) of all examples, sorted; skips where ../shared is absent."""
    folder = public_vectors("gs1-epcis/examples")
    found = sorted((path.name, path.read_bytes()) for path in folder.rglob("*.jsonld"))
    assert len(found) == 23
    return found
