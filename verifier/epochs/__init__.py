"""Reputation on the chain: the rows that an epoch's scores consist of, and how a wrong one is found and disproved."""
