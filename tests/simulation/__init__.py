"""A deterministic network: model chains, production notary rules and journal, production relay rules, one seed.

No EVM, no sockets, no threads, no machine clock: everything that happens is an event of a queue in virtual time, and
everything that is left to chance is drawn from one generator. Equal seeds give equal traces.
"""
