"""One run of parley-bench. Nothing here waits for a server longer than it is told to."""

import json
import signal
import subprocess
import sys

from parley_dev import build
from parley_dev.steps import Failure

LOGINS_SECONDS = 120  # for those of a scenario: 400 to 600 take 2 to 20
CONTACTS_SECONDS = 240


def stop_when_told():
    """SIGTERM ends this like an exception, so that the servers are stopped, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))


def generator():
    return str(build.directory() / "bin" / "parley-bench")


def command(arguments, peer, cache):
    return [generator(), *arguments, *peer.load_arguments(), "--salted-cache", str(cache), "--json"]


def run(arguments, peer, cache, limit):
    """Its report; one with `ok` false where it could not run, or not within `limit` seconds."""
    line = command(arguments, peer, cache)
    try:
        ran = subprocess.run(line, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"ok": False, "problem": f"not done after {limit:.0f} s", "stuck": True, "command": line}
    if ran.returncode == 2 or not ran.stdout:
        return {"ok": False, "problem": ran.stderr.strip() or f"exit {ran.returncode}", "command": line}
    return {**json.loads(ran.stdout), "command": line}


def changed(arguments, more):
    """`arguments` with the options of `more` in place of their own: parley-bench takes each once."""
    words = list(arguments)
    for name in (word for word in more if word.startswith("-")):
        if name in words:
            at = words.index(name)
            alone = at + 1 == len(words) or words[at + 1].startswith("-")
            del words[at : at + (1 if alone else 2)]
    return [*words, *more]


def problem_of(report):
    return report.get("problem") or str({key: value for key, value in report["errors"].items() if value})


def make_contacts(peer, users, contacts, group, cache):
    """Rosters by the protocol, once per data directory. What a run left unfinished, the next takes up."""
    stamp = peer.directory / f"contacts-{users}-{contacts}-{group}"
    if stamp.exists():
        return
    arguments = ["contacts", "-n", str(users), "--contacts", str(contacts), "--group", str(group)]
    report = run(arguments, peer, cache, CONTACTS_SECONDS)
    if not report["ok"]:
        raise Failure(f"{peer.name}: cannot make rosters: {problem_of(report)}")
    stamp.touch()
