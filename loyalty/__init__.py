"""The core library: pure rules, no clock, no randomness, no I/O."""
