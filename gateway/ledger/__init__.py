"""The ledger: append-only movements, balances as a cache, lots and takings. Only this room writes value."""
