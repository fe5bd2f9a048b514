"""Programmes: what is fixed at activation, categories, campaigns, policies."""
