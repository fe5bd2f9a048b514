"""Partners: rates, stores, establishments, terminals, operators, packs."""
