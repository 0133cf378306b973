"""What the chains enforce: the Vyper contracts, and the only Python that speaks to an EVM."""
