"""The hub: HTTP, database, workers, command line; imports `loyalty` and `contracts`, never `adapters`."""
