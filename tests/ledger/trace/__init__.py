"""Tests of the trace folder."""
