"""A network in one thread: nodes and notaries that misbehave on command, and the relay between them.

Everything here implements the production seams (`contracts.node.Node`, `relay.notaries.Notary`, `Executor`), and shows
what it holds with `dump()`. Nothing happens by itself: time passes and blocks appear when a test says so.
"""
