"""Headers of a foreign chain, held by what vouches for them: the Python twins of the contracts that do the same."""
