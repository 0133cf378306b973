"""Tests of the gs1 folder."""
