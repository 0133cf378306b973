"""What a notary will sign: policy, watcher, journal, signer, re-execution. Trusts no shared database."""
