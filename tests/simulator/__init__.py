"""A seeded simulator: whole campaigns with their members, provider and faults, in virtual time.

What is decided is decided by `countmein.rules`, as in the product; see README.md.
"""
