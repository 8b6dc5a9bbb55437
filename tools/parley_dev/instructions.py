"""The guard against creeping cost: what fixed workloads take in instructions, as callgrind counts them, and in
allocations, as the program itself counts them, compared with bench/micro/instructions.json. Not time: the same on a busy
machine."""

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
TOLERANCE = 0.05  # of instructions


def count():
    """(instructions, allocations) of each workload, once through: in the mean, and in the run in the middle."""
    program = build.directory() / "bin" / "parley-workload"
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        ran = subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", "--toggle-collect=CountedPart", "--dump-after=Counted"]
            + [f"--callgrind-out-file={out}", str(program), "all", str(TIMES)],
            capture_output=True, text=True, check=False, timeout=600,
        )
        if ran.returncode != 0:
            raise Failure(f"callgrind failed: {ran.stderr[-2000:]}")
        allocations = {name: int(number) for name, number in map(str.split, ran.stdout.splitlines())}
        parts = [Path(f"{out}.{number + 1}").read_text() for number in range(len(allocations))]
    totals = [int(re.search(r"^totals: (\d+)", part, re.MULTILINE)[1]) for part in parts]
    return {name: (round(total / TIMES), allocations[name]) for name, total in zip(allocations, totals)}


def compare(counted, baseline):
    """(name, line, passed) of each workload."""
    for name in sorted({*counted, *baseline}):
        now, before = counted.get(name), baseline.get(name)
        if now is None or before is None:
            yield name, f"{name}: {'is new' if before is None else 'is gone'}: ./parley bench baseline", False
            continue
        change, more = now[0] / before[0] - 1, now[1] - before[1]
        passed = change <= TOLERANCE and more <= 0
        fewer = change < -TOLERANCE or more < 0
        verdict = "MORE" if not passed else "less: ./parley bench baseline" if fewer else ""
        line = f"{name:<20} {now[0]:>7,} instructions {change:+7.1%} {now[1]:>4} allocations {more:+3}  {verdict}"
        yield name, line.rstrip(), passed


def read_baseline():
    return {name: tuple(costs.values()) for name, costs in json.loads(BASELINE.read_text()).items()}


def write_baseline():
    rows = [
        f'  "{name}": {json.dumps({"instructions": instructions, "allocations": allocations})}'
        for name, (instructions, allocations) in count().items()
    ]
    BASELINE.write_text("{\n" + ",\n".join(rows) + "\n}\n")
