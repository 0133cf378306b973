"""What gets carried: step workers, submitter, indexer. Never trusted, only retried."""
