"""Connectors to ERPs and tills, one folder each."""
