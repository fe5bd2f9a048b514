"""One folder per connector. A connector knows `contracts` only, performs no I/O, and is never imported by name."""
