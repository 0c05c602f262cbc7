"""What a node needs before it is drawn for anything."""

import subprocess
import sys


def test_node_and_service__started__without_torch() -> None:
    """It takes seconds and 200 MB; the workers that run models again import it for themselves."""
    program = "import sys, verifier.node.run, backend.server; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
