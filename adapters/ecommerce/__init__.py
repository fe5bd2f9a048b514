"""Connectors to online stores, one folder each."""
