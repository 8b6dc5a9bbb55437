"""The image's Dockerfile, as far as that can be known without building it: `tools/try-image` runs the whole."""

import re
import shutil
import subprocess

from manifests import ROOT
from parley_dev import build

PROGRAMS = [*build.SERVICES, "parley-bench"]

DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def instructions(name):
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)


def packages(group):
    lines = (ROOT / "tools" / "packages" / group).read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def copied(directory):
    """Lays into `directory` what the build stage is given of the checkout."""
    for arguments in instructions("COPY"):
        source, target = arguments.split()[-2:]
        if arguments.startswith("--from") or not (ROOT / source).exists() or target.startswith("/tmp"):
            continue
        there = directory / (source if target == "./" else target)
        there.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, there)
        else:
            shutil.copy(ROOT / source, there)


def test_programs_can_be_made_of_what_is_copied(tmp_path):
    """Configured for real; what Ninja would do is only listed, so that a missing source is found in seconds."""
    copied(tmp_path)
    assert not (tmp_path / "tests").exists(), "the test would prove nothing"
    (build_command,) = [run for run in instructions("RUN") if "cmake" in run]
    configured = re.search(r"cmake (-S .*?) +&&", build_command)[1].split()
    subprocess.run(["cmake", *configured], cwd=tmp_path, check=True, capture_output=True)
    targets = re.search(r"ninja -C \S+ ([\w -]+?) +&&", build_command)[1].split()
    assert set(targets) == set(PROGRAMS)
    subprocess.run(["ninja", "-n", "-C", "build/release", *targets], cwd=tmp_path, check=True, capture_output=True)


def test_every_builder_knows_the_instructions():
    """What BuildKit alone understands stops the classic builder, which Debian 12's docker has by default."""
    for instruction in ("RUN", "COPY", "ADD"):
        for arguments in instructions(instruction):
            flags = re.findall(r"^--\S+", arguments)
            assert all(flag.startswith("--from=") for flag in flags), arguments
    assert not DOCKERFILE.startswith("# syntax=")
    assert "<<" not in DOCKERFILE


def installed_with(names):
    """These and what dpkg says that they need, as far as it is installed here."""
    found, left = set(), set(names)
    while left:
        found |= left
        command = ["dpkg-query", "-W", "-f", "${Pre-Depends}, ${Depends}, ", *left]
        said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        left = set(re.findall(r"(?:^|[,|]) *([a-z0-9][a-z0-9.+-]*)", said)) - found
    return found


def test_libraries_of_the_programs_are_in_the_image():
    programs = [build.directory() / "bin" / program for program in PROGRAMS]
    listing = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    libraries = set(re.findall(r"^\s*\S+ => (/\S+)", listing, re.MULTILINE))
    assert libraries
    strangers = libraries - files_of(installed_with(packages("image")))
    assert strangers == set()


def files_of(names):
    """By both names: dpkg knows some from before /usr was merged."""
    listing = subprocess.run(["dpkg", "-L", *names], check=False, capture_output=True, text=True).stdout.split("\n")
    return {name.removeprefix("/usr") for name in listing} | {"/usr" + name for name in listing} | set(listing)
