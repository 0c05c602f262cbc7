"""Nested input must not end the process."""

import subprocess
import sys

PROGRAM = """
import chain.keys, chain.typed_data, json, web3
for opening in ("[", '{"a":'):
    try:
        json.loads(opening * 1_000_000)
    except RecursionError:
        print("refused")
"""


def test_json__nested_a_million_times__is_an_error_and_no_crash() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\nrefused\n")
