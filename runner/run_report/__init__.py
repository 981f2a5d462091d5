"""A page about one run, made from the ledger: what was done, when and where, and what came of it."""
