"""Polls: where each store was last asked what changed. A webhook is a hint; the poll behind it loses nothing."""
