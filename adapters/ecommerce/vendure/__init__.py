"""Vendure (vendure.io): orders and vouchers of a store built on it."""
