"""What an EVM chain's bytes prove: RLP, Merkle-Patricia tries, headers and transaction receipts. Pure, no
node.
"""
