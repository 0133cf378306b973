"""A second EVM for tests: the Ethereum specification's own (EELS, `ethereum-execution`), in a process of its own.

Its dependencies contradict ours, so that it lives in `.venv/eels`, which `.ci/setup-eels` makes from hash-pinned
requirements. `specification.py` runs there; everything else here runs with us.
"""
