"""VTEX: orders by hook and feed, vouchers and balances by its gift-card provider protocol."""
