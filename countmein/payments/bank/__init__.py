"""Bank transfers, the wire half: statements in, payments out, and what an entry means.

Nothing here touches the database: files are read into our nouns, and decided on.
"""
