"""The HTML page about one run, made from the ledger: what was done, when, where, and the results."""
