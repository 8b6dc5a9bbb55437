"""Where figures come from: the command, the commit that was measured, the machine, and the day."""

import functools
import json
import os
import platform
import shlex
import sys
from datetime import date
from pathlib import Path

from harness.peer import finished
from parley_dev import build

SOURCES = ["CMakeLists.txt", "cmake", "libs", "proto", "services"]
PLACES = ["--dir", "--output"]  # options that say where things go, not what is measured
WRITING = ["--write", "--no-write"]


@functools.cache
def commit(root=build.ROOT):
    """The commit and its date, and whether the programs' sources are others. As it was when it was first asked."""
    ask = lambda *words: finished(["git", *words], 30, "git", cwd=root, capture_output=True).stdout.strip()
    changed = ask("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return ask("log", "-1", "--format=%h of %cs") + (" with changes" if changed else "")


def machine():
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
            break
    return f"{os.cpu_count()} CPUs ({model}), Linux {platform.release().split('-')[0]}"


def called(words=None):
    """The command, as whoever reads its figures has to give it."""
    program, *rest = words or sys.argv
    kept, skip = [], False
    for word in rest:
        if not (skip or word in WRITING or word.split("=")[0] in PLACES):
            kept.append(word)
        skip = word in PLACES
    return shlex.join([f"bench/{Path(program).name}", *kept])


def begin():
    """Before anything is measured: the load average. The commit is the one of now, too, whatever is committed meanwhile."""
    commit()
    return os.getloadavg()[0]


def heading(load, command=None, measured=None):
    """The first line of what a tool prints. `load`: the load average before it began."""
    return (
        f"`{command or called()}`, {date.today()}, on {machine()}; {measured or f'Parley {commit()}'}. "
        f"Load average before it began: {load:.1f}."
    )


def document(command, figures):
    """JSON of a run."""
    origin = {"command": command, "commit": commit(), "date": str(date.today()), "machine": machine()}
    return json.dumps({**origin, "figures": figures}, indent=1)
