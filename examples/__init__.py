"""Runnable journeys that compose all rooms; nothing imports this package."""
