"""The guard against creeping cost: what fixed workloads take in instructions, as callgrind counts them, compared with
bench/micro/instructions.json. Not time: the same on a busy machine."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

from parley_dev import build
from parley_dev.steps import Failure

BASELINE = build.ROOT / "bench" / "micro" / "instructions.json"
TIMES = 200
# Fewer is no failure, but the baseline should follow: the next rise would hide below it.
TOLERANCE = 0.05


def count():
    """Instructions of each workload, once through."""
    program = build.directory() / "bin" / "parley-workload"
    names = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        ran = subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", "--toggle-collect=CountedPart", "--dump-after=CountedPart"]
            + [f"--callgrind-out-file={out}", str(program), "all", str(TIMES)],
            capture_output=True, text=True, check=False, timeout=600,
        )
        if ran.returncode != 0:
            raise Failure(f"callgrind failed: {ran.stderr[-2000:]}")
        parts = [Path(f"{out}.{number + 1}").read_text() for number in range(len(names))]
    totals = [int(re.search(r"^totals: (\d+)", part, re.MULTILINE)[1]) for part in parts]
    return {name: round(total / TIMES) for name, total in zip(names, totals)}


def compare(counted, baseline):
    """(name, line, passed) of each workload."""
    for name in sorted({*counted, *baseline}):
        now, before = counted.get(name), baseline.get(name)
        if now is None or before is None:
            yield name, f"{name}: {'is new' if before is None else 'is gone'}: ./parley bench baseline", False
            continue
        change = now / before - 1
        verdict = "MORE" if change > TOLERANCE else "less: ./parley bench baseline" if change < -TOLERANCE else ""
        yield name, f"{name:<22} {now:>9,} instructions  {change:+7.1%}  {verdict}", change <= TOLERANCE


def read_baseline():
    return json.loads(BASELINE.read_text())


def write_baseline():
    BASELINE.write_text(json.dumps(count(), indent=2) + "\n")
