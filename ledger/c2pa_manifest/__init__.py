"""C2PA: manifests in files that come from elsewhere are verified, and files that leave carry one.

What happens here: `read` verifies a file's manifest in a process of its own, with our trust list and without network;
`verdict` turns what was found into the two answers that signed video has everywhere here; `write` signs an exported
recording. What may never happen here: fetching a remote manifest, a revocation answer or a trust list; an unknown
signer told as a changed file, or the other way round.

This module imports nothing, so that the worker starts quickly: import `read_manifest` from `read`.
"""
