"""One folder per connector: it knows `contracts` only, performs no I/O, and is never imported by name."""
