"""Ends what is left of a cluster when who began it has ended, whatever ended that: SIGKILL, too.

Run: python3 -m parley_dev.keeper DIRECTORY waits for the end of its input, whose other end only the one it watches has."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from parley_dev import build
from parley_dev.cluster import Cluster


@contextmanager
def kept(directory):
    """No process of the cluster in `directory` outlives this block, nor this process."""
    command = [sys.executable, "-m", __name__, str(Path(directory).absolute())]
    # In a session of its own: what a terminal, or who kills a whole process group, says to us is not said to it.
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=build.ROOT / "tools", start_new_session=True)
    try:
        yield
    finally:
        keeper.stdin.close()
        keeper.wait()


if __name__ == "__main__":
    sys.stdin.read()
    Cluster(sys.argv[1]).kill_all()
