"""One run of parley-bench."""

import json
import subprocess

from parley_dev import build
from parley_dev.steps import Failure


def generator():
    return str(build.directory() / "bin" / "parley-bench")


def command(arguments, peer, cache):
    return [generator(), *arguments, *peer.load_arguments(), "--salted-cache", str(cache), "--json"]


def run(arguments, peer, cache, timeout=600):
    """Its report; one with `ok` false where it could not run."""
    line = command(arguments, peer, cache)
    try:
        ran = subprocess.run(line, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"ok": False, "problem": f"not done after {timeout} s", "command": line}
    if ran.returncode == 2 or not ran.stdout:
        return {"ok": False, "problem": ran.stderr.strip() or f"exit {ran.returncode}", "command": line}
    return {**json.loads(ran.stdout), "command": line}


def make_contacts(peer, users, contacts, group, cache):
    """Rosters by the protocol, once per data directory."""
    stamp = peer.directory / f"contacts-{users}-{contacts}-{group}"
    if stamp.exists():
        return
    report = run(["contacts", "-n", str(users), "--contacts", str(contacts), "--group", str(group)], peer, cache)
    if not report["ok"]:
        raise Failure(f"{peer.name}: cannot make rosters: {report.get('problem') or report.get('errors')}")
    stamp.touch()
