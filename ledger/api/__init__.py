"""The ledger's HTTP API: devices and partners write through it, everybody reads and verifies."""
