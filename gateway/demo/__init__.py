"""`ponte demo`: a day of sales on a hub of its own, through real HTTP, every figure reckoned a second time.

The demo knows the hub from outside only: what it shows was read back through the public API.
"""
