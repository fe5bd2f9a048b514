"""The gift-card provider protocol alone, for any store that speaks it: vouchers and balances at its checkout."""
