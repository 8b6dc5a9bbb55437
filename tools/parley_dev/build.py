"""CMake and Ninja, with progress."""

import os
import re
import subprocess
from pathlib import Path

from parley_dev.steps import Failure

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["parley-c2s", "parley-router", "parley-roster", "parleyctl"]


def directory(kind="release"):
    """PARLEY_BUILD overrides where the release build lives, for instance for a prebuilt one."""
    if kind == "release" and os.environ.get("PARLEY_BUILD"):
        return Path(os.environ["PARLEY_BUILD"])
    return ROOT / "build" / kind


def configure(kind="release", options=()):
    where = directory(kind)
    if (where / "build.ninja").exists():
        return where
    _run(["cmake", "-S", str(ROOT), "-B", str(where), "-G", "Ninja", *options], lambda line: None)
    return where


def build(targets, kind="release", options=(), progress=lambda text: None):
    where = configure(kind, options)
    jobs = os.environ.get("PARLEY_JOBS", str(os.cpu_count() or 2))

    def show(line):
        at = re.match(r"\[(\d+)/(\d+)\] (.*)", line)
        if at:
            progress(f"{at[1]} of {at[2]}: {at[3].split('/')[-1][:60]}")

    _run(["ninja", "-C", str(where), "-j", jobs, *targets], show)
    return where


def _run(command, on_line):
    # Compiler results are shared between checkouts: paths below the root do not count.
    env = {**os.environ, "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=env
    )
    tail = []
    for line in child.stdout:
        tail = (tail + [line.rstrip()])[-60:]
        on_line(line)
    if child.wait() != 0:
        raise Failure("\n".join(tail) + f"\n{command[0]} failed; its last lines are above")
