"""The outside world on loopback: a payment provider and a mail server for the demo and the tests.

Each is a process of its own with a book of its own, so that what it says it did can be
compared with what we believe it did.
"""
