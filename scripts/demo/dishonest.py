"""`python -m scripts.demo.dishonest copies|guesses`: a verifier that cheats, with the settings of the honest node."""

import argparse

from verifier.node.adversaries import CopyingVerifier, GuessingExaminer
from verifier.node.node import VerifierNode
from verifier.node.run import run
from verifier.node.settings import NodeSettings


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=["copies", "guesses"])
    kind = CopyingVerifier if parser.parse_args().way == "copies" else VerifierNode
    run(NodeSettings.load(), GuessingExaminer(), kind)


if __name__ == "__main__":
    main()
