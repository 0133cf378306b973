"""Receiving: bytes from devices are checked and kept; nothing is believed because of who carried it."""
