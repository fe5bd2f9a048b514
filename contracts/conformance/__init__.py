"""The conformance kit: what must hold for every connector, checked from its samples alone.

A check says what it found in sentences; pytest (`plugin`) and the command line only show them.
"""
