"""Media in an S3-compatible store: a `Remote` whose requests are signed, bounded and tried again."""
