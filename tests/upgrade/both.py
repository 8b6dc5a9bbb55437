"""A chaos run whose processes are of two releases."""

import os
import subprocess
from pathlib import Path

import chaos
from parley_dev import build
from proxied import ProxiedCluster

SERVICES = ("roster", "router", "c2s")  # in the order of docs/upgrade.md


def previous():
    return Path(os.environ["PARLEY_PREVIOUS"])


class BothReleases(chaos.Run):
    def __init__(self, options, old):
        super().__init__(options)
        self.old = old
        self.former = set(old)  # runs the former release, or has not ended yet

    def make_cluster(self):
        cluster = ProxiedCluster(self.options.dir)
        cluster.programs = dict.fromkeys(self.old, previous())
        return cluster

    async def begin(self):
        await super().begin()
        self.world.watch.on_told_twice = self.judge_told_twice

    def judge_told_twice(self, text):
        """A router of 0.1 says who is gone without origin and number. If it dies before all edges have taken that, the next
        one says it again, as it should, and they cannot know it for the same (ours: OriginOfEnd)."""
        if not any(name.startswith("router") for name in self.former):
            self.world.ledger.violations.append(text)

    def names(self):
        return [name for service in SERVICES for name in sorted(self.cluster.instances(service))]

    async def replace(self, name, programs=None):
        """Drained and started anew as another release, as a rollout does. `programs`: this build's by default."""
        if programs is None:
            self.cluster.programs.pop(name, None)
        else:
            self.cluster.programs[name] = programs
            self.former.add(name)
        await self.strike("restart", name.split("-")[0], name)
        if programs is None:
            self.former.discard(name)

    def migrate(self):
        """What the Job parley-migrate of this release does, while the one before works."""
        program = str(build.directory() / "bin" / "parley-roster")
        command = [program, "--migrate-only", *self.cluster.command("roster-1")[1:]]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    async def differ(self, expected):
        """Waits until parleyctl warns of different releases, or does not. Links may be a moment behind."""

        def warned():
            shown = self.cluster.ctl("status")
            return shown.returncode == 0 and ("releases differ" in shown.stdout) == expected

        return await self.world.until(warned, f"releases differ: {expected}", 10, 0.5)
