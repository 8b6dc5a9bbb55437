"""Ends a release: what is committed now is what the next one has to get along with."""

import re
import subprocess
from pathlib import Path

from parley_ops import wire

HEAD = """# The release before this one: its version and commit. Written by ./parley release; ./parley test upgrade runs its
# programs beside ours, tests/ops compares with its protos and migrations (wire.txt).
"""


def _git(root, *command):
    return subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def end(root, following):
    """`following`: the version that begins now. Returns the version that ended and its commit."""
    root = Path(root)
    if _git(root, "status", "--porcelain"):
        raise ValueError("there are changes that are not committed: a release is a commit")
    cmake = root / "CMakeLists.txt"
    text = cmake.read_text()
    (version,) = re.findall(r"project\(parley VERSION ([\d.]+)", text)
    if [int(part) for part in following.split(".")] <= [int(part) for part in version.split(".")]:
        raise ValueError(f"the version after {version} must be higher than it")
    commit = _git(root, "rev-parse", "HEAD")
    record(root, version, commit)
    cmake.write_text(text.replace(f"project(parley VERSION {version}", f"project(parley VERSION {following}"))
    overlay = root / "deploy" / "k8s" / "overlays" / "prod" / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace(f"newTag: {version}", f"newTag: {following}"))
    return version, commit


def record(root, version, commit):
    """Of the tree as it is."""
    folder = Path(root) / "tests" / "upgrade"
    (folder / "previous").write_text(f"{HEAD}{version} {commit}\n")
    (folder / "wire.txt").write_text("\n".join(wire.lines(root)) + "\n")
