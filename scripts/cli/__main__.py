"""`python -m scripts.cli`, the same as `merit`."""

from scripts.cli import main

main()
