"""The release before this one: which it is (tests/upgrade/previous), and its programs, for tests that run both."""

import os
import shutil
import subprocess

from parley_dev.build import ROOT, SERVICES
from parley_dev.steps import Failure

RECORD = ROOT / "tests" / "upgrade" / "previous"


def release():
    """Version and commit."""
    (line,) = [line for line in RECORD.read_text().splitlines() if line and not line.startswith("#")]
    version, commit = line.split()
    return version, commit


def missing():
    """Why its programs cannot be had, or nothing."""
    version, commit = release()
    if _kept(commit).exists():
        return ""
    known = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False)
    if known.returncode == 0:
        return ""
    return f"release {version} ({commit[:12]}) is not in this checkout's history: fetch it with git fetch --unshallow"


def _kept(commit):
    return ROOT / "build" / "previous" / commit


def programs():
    """The directory with its programs. Built once for each commit, from its own sources, by its own ./parley."""
    if missing():
        raise Failure(missing())
    _, commit = release()
    kept = _kept(commit)
    if kept.exists():
        return kept
    tree = kept.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    archive = subprocess.Popen(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(tree)], stdin=archive.stdout, check=True)
    if archive.wait() != 0:
        raise Failure(f"git archive {commit} failed")
    environment = {name: value for name, value in os.environ.items() if name not in ("PARLEY_BUILD", "PYTHONPATH")}
    subprocess.run([str(tree / "parley"), "build", *SERVICES], check=True, env=environment)
    ready = kept.with_suffix(".new")
    shutil.rmtree(ready, ignore_errors=True)
    shutil.copytree(tree / "build" / "release" / "bin", ready)
    ready.rename(kept)
    shutil.rmtree(tree)
    return kept
