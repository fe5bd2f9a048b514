"""Installations: one partner's use of one connector."""
