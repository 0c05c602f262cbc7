"""Python's side of the contracts."""

import os
import sys

# A dependency of eth-keyfile. On import it raises the recursion limit to 100,000, and then a few kilobytes of a
# stranger's "[[[[..." end the process in any JSON parser. Nothing here needs that: it is imported first, and undone.
import py_ecc  # noqa: F401

_RECURSION_LIMIT = 1_000

sys.setrecursionlimit(_RECURSION_LIMIT)

# Both of eth-hash's backends are installed, and it would take the slower one.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
