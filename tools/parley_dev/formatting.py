"""clang-format over all C++ of the tree."""

import subprocess

from parley_dev.build import ROOT

FOLDERS = ["libs", "services", "tests"]
AT_ONCE = 50


def _files():
    return sorted(
        str(path.relative_to(ROOT)) for folder in FOLDERS for ending in ("cc", "h") for path in (ROOT / folder).rglob(f"*.{ending}")
    )


def _clang_format(*arguments):
    files = _files()
    for at in range(0, len(files), AT_ONCE):
        command = ["clang-format", *arguments, *files[at : at + AT_ONCE]]
        yield subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def wrong():
    """The files that are not as .clang-format has them."""
    lines = [line for ran in _clang_format("--dry-run") for line in ran.stderr.splitlines()]
    return sorted({line.split(":")[0] for line in lines if "[-Wclang-format-violations]" in line})


def apply():
    for ran in _clang_format("-i"):
        ran.check_returncode()
