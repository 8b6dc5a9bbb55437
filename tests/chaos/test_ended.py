"""A driver that is ended from outside leaves no process behind: not when it is told to end, nor when it is killed."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from faults import children_of
from parley_dev.cluster import Cluster
from parley_dev.keeper import kept
from parley_dev.processes import Process, free_port, wait_until

HERE = Path(__file__).resolve().parent
PR_SET_CHILD_SUBREAPER = 36
SECONDS = 60


@pytest.fixture
def children():
    """children(): who is left of the processes that this test has begun, and of those whose parents have ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = set(_children())
    yield lambda: set(_children()) - before
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


def _children():
    """Nobody else waits for those that came to us."""
    return [pid for pid in children_of(os.getpid()) if not _reaped(pid)]


def _reaped(pid):
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


@pytest.fixture
def driver(tmp_path):
    """driver(what, options...): it is under way, in a process group of its own, as of a terminal."""
    begun = []

    def begin(what, *options):
        # As its parent may ignore them, as nohup does.
        command = ["env", "--default-signal=HUP,INT", sys.executable, str(HERE / what), *options]
        with open(tmp_path / "output", "w", encoding="utf-8") as output:
            begun.append(
                subprocess.Popen([*command, "--dir", str(tmp_path / "cluster")], stdout=output, stderr=output, process_group=0)
            )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()
    Cluster(tmp_path / "cluster").kill_all()


@pytest.fixture
def ends(children, tmp_path):
    """ends(driver, signal): with nobody left. Unless it is killed it tells what was broken by then."""

    def end(driver, number):
        os.killpg(driver.pid, number)
        assert driver.wait(SECONDS) != 0
        wait_until(lambda: not children(), SECONDS, "no process is left")
        told = "promises broken until then" in (tmp_path / "output").read_text()
        assert told == (number != signal.SIGKILL)

    return end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_of_a_driver_that_ends_while_its_cluster_starts(driver, ends, tmp_path, number):
    started = driver("chaos.py", "--sessions", "3")
    wait_until((tmp_path / "cluster" / "run" / "c2s-2.json").exists, SECONDS, "processes", lambda: started.poll() is None)
    ends(started, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("what", [("chaos.py", "--sessions", "3"), ("variety", "--parts", "conflicts")], ids=lambda what: what[0])
def test_nothing_is_left_of_a_driver_that_ends_during_a_fault(driver, ends, tmp_path, what, number):
    started = driver(*what, "--faults", "kill", "--services", "c2s", "--longest", "100")
    cluster = lambda: Cluster(tmp_path / "cluster")
    wait_until(lambda: cluster().plan and (tmp_path / "cluster" / "run" / "c2s-2.json").exists(), SECONDS, "processes")
    edges = [Process(tmp_path / "cluster", f"c2s-{n}") for n in (1, 2)]
    wait_until(lambda: not all(edge.pid() for edge in edges), SECONDS, "a fault", lambda: started.poll() is None)
    ends(started, number)


def test_what_stands_still_is_ended_too(tmp_path, children):
    cluster = Cluster(tmp_path / "cluster")
    with kept(cluster.directory):
        cluster.size({}, ["localhost"], [])
        cluster.redis().start()
        cluster.postgres().start()
        stores = [cluster.redis().process.pid(), cluster.postgres().process.pid()]
        for pid in [*stores, *children_of(stores[1])]:
            os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not children(), SECONDS, "no process is left")
