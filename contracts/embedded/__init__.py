"""The embedded chain: a single-sequencer Prague EVM chain with nothing to install, behind a node's JSON-RPC.

Other rooms use two names: `genesis.Genesis` (what a chain begins with) and `server.EmbeddedNode` (a running one). They
then speak to it through `contracts.node.RpcNode`, as to any node; nothing here is a back door around the RPC.
`README.md` beside this file says what it promises, what it refuses and when it is outgrown.
"""
