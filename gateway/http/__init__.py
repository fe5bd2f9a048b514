"""Every route. Routes read a request, call one action or query, and say what came of it; no rule lives here."""
