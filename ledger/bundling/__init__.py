"""Proof bundles out of a ledger: what was handed to it of the chains, and how a file is put together from it."""

from ledger.bundling.bundler import Bundler, Crossings
from ledger.bundling.kept import KeptCrossings
from ledger.bundling.publishing import LogState, Publishing

__all__ = ["Bundler", "Crossings", "KeptCrossings", "LogState", "Publishing"]
