"""Rewards: what a programme lets its members redeem."""
