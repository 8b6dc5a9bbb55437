"""What a service's heap holds, by heaptrack: of a process that is killed, what counts as leaked is what it held."""

import subprocess
from collections import Counter
from pathlib import Path

from harness.peer import finished
from parley_dev import build
from parley_dev.steps import Failure

HEAPTRACK = Path("/usr/lib/heaptrack")
OPENSSL, OTHER = "OpenSSL", "other"
OPENSSLS = ("CRYPTO_", "OPENSSL_", "SSL_", "EVP_", "BIO_", "RAND_")
# Tools of all the others: what they hold is their caller's.
TOOLS = "libs/base/"


class Heap:
    """Of one service's processes that are started from `programs`, a directory for Cluster.programs."""

    def __init__(self, service, directory):
        self.service, self.raw = service, directory / f"{service}.heap"
        self.programs = directory / "programs"
        self.programs.mkdir(parents=True, exist_ok=True)
        program = self.programs / f"parley-{service}"
        # Instead of /usr/bin/heaptrack, whose process would be the one that is killed. The `new` of libstdc++ comes before
        # jemalloc's own, which does not ask malloc.
        program.write_text(
            f"#!/bin/sh\nexport LD_PRELOAD={HEAPTRACK}/libheaptrack_preload.so:libstdc++.so.6 DUMP_HEAPTRACK_OUTPUT={self.raw}\n"
            f'exec {build.directory()}/bin/parley-{service} "$@"\n'
        )
        program.chmod(0o755)

    def held(self):
        """Bytes by who holds them, once the process was killed."""
        stacks, trace = self.raw.with_suffix(".stacks"), self.raw.with_suffix(".trace")
        with open(self.raw, "rb") as raw, open(trace, "wb") as to:
            interpreter = HEAPTRACK / "libexec" / "heaptrack_interpret"
            finished([interpreter], 300, "heaptrack_interpret", stdin=raw, stdout=to, stderr=subprocess.DEVNULL)
        line = ["heaptrack_print", "-f", trace, "-p", "0", "-a", "0", "--flamegraph-cost-type", "leaked", "-F", stacks]
        printed = finished(line, 300, "heaptrack_print", capture_output=True)
        if printed.returncode != 0:
            raise Failure(f"heaptrack_print: {printed.stderr}")
        return by_holder(stacks.read_text().splitlines(), sources(self.service))


def sources(service):
    """{name of a file: its path} of what the service is made of."""
    folders = [build.ROOT / "libs", build.ROOT / "services" / service]
    return {file.name: str(file.relative_to(build.ROOT)) for folder in folders for file in folder.rglob("*.[ch]*")}


def by_holder(stacks, files):
    """`stacks`: "OUTERMOST (FILE);...;INNERMOST (FILE); BYTES" each."""
    held = Counter()
    for stack in stacks:
        frames, _, size = stack.rpartition(" ")
        held[holder(frames.strip(";").split(";"), files)] += int(size)
    return held


def holder(frames, files):
    """Whose code asked for it: OpenSSL, or the innermost of our files but TOOLS."""
    for frame in reversed(frames):
        if frame.startswith(OPENSSLS):
            return OPENSSL
        file = files.get(frame.rpartition("(")[2].rstrip(")"))
        if file and not file.startswith(TOOLS):
            return file
    return OTHER
