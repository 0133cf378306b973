"""Tests of the epcis folder."""
