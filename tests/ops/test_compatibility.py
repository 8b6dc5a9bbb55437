"""What the release before this one wrote and read is still written and read so (tests/upgrade/wire.txt). The test that
runs both side by side takes long, for it builds the old one: ./parley test upgrade."""

import re
from pathlib import Path

from parley_dev import previous
from parley_ops import wire

ROOT = Path(__file__).resolve().parents[2]
BEFORE = (ROOT / "tests" / "upgrade" / "wire.txt").read_text().splitlines()

# A table that is not small is locked by these for as long as they take, or the release before cannot write any more.
NOT_ONLINE = {
    r"DROP\s+(TABLE|COLUMN)": "the release before still uses it; drop it one release later",
    r"RENAME": "the release before knows the old name",
    r"ALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE": "rewrites the table under a lock",
    r"SET\s+NOT\s+NULL": "the release before may write NULL",
    r"ADD\s+COLUMN[^,;]*NOT\s+NULL(?![^,;]*DEFAULT)": "the release before does not write it; give it a DEFAULT",
}


def test_protos_and_migrations_of_the_release_before_still_hold():
    assert wire.broken(BEFORE, wire.lines(ROOT)) == []


def test_new_migrations_leave_the_release_before_at_work():
    known = sum(line.startswith("migration ") for line in BEFORE)
    for sql in wire.migrations(ROOT)[known:]:
        for pattern, why in NOT_ONLINE.items():
            found = re.search(pattern, sql, re.IGNORECASE)
            assert not found, f"{found[0]}: {why}"


def test_the_release_before_is_another():
    version, commit = previous.release()
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    (own,) = re.findall(r"project\(parley VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    older, newer = ([int(part) for part in text.split(".")] for text in (version, own))
    assert older < newer


def test_breaks_are_found():
    """Each kind once, and what is allowed."""
    before = ["field a.M 1: string name", "field a.M 2: uint32 count", "enum a.E 1: E_ONE", "migration 1: 00ff",
              "rpc a.S/Ask: .a.M returns .a.M", "field a.M 8: bool old (deprecated)", "field a.M 9: reserved"]
    now = [line.replace("bool old (deprecated)", "reserved").replace(" name", " name (deprecated)") for line in before]
    assert wire.broken(before, now + ["field a.M 3: bool new", "migration 2: aa"]) == []
    for gone in before:
        assert len(wire.broken(before, [line for line in before if line != gone])) == 1, gone
    for changed in ("field a.M 1: bytes name", "field a.M 1: repeated string name", "field a.M 1: string renamed",
                    "field a.M 1: string name in choice", "enum a.E 1: E_TWO", "field a.M 2: reserved",
                    "migration 1: 0100", "rpc a.S/Ask: stream .a.M returns .a.M", "field a.M 9: bool again"):
        now = [line for line in before if line.split(":")[0] != changed.split(":")[0]] + [changed]
        assert len(wire.broken(before, now)) == 1, changed
