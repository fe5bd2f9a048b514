"""What the README claims about speed, as programs anyone can run: `python -m bench`.

A claim is a ratio of two measurements of one run on one machine; no figure here is a time to be proud of.
"""
