"""Stores of partners: establishments, terminals and operators live here."""
