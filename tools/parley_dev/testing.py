"""Every test, and one summary line."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from parley_dev import build, formatting, instructions as counting, previous
from parley_dev.steps import Failure, Steps

ADDRESS = "address;undefined"
# What the services under test log: the assertion that failed is what matters.
# End-to-end tests of what both releases do, in part `upgrade`.
MIXED = ["delivery", "logins", "partings", "presence", "resumption", "roster", "stanza_errors", "stream_management"]
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) ")


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = 0

    def add(self, name, passed):
        if passed:
            self.passed += 1
        else:
            self.failed.append(name)


def check(tally, keyword):
    steps = Steps(1)
    steps.begin("Format")
    for name in formatting.wrong():
        tally.add(f"check:format of {name} (./parley format)", False)
    tally.add("check:format", True)
    steps.done()


def unit(tally, keyword):
    _gtests(tally, keyword, "release", (), None)


# Once more under sanitizers: ASan and UBSan where bytes come from outside or lifetimes are owned, TSan where threads meet.


def asan(tally, keyword):
    _sanitized(tally, keyword, "asan", ADDRESS, ["base", "xml", "xmpp", "net", "storage", "tracing"])


def asan_services(tally, keyword):
    _sanitized(tally, keyword, "asan", ADDRESS, ["rpc", "c2s", "router", "roster"])


def tsan(tally, keyword):
    _sanitized(tally, keyword, "tsan", "thread", ["base", "rpc", "storage", "tracing"])


def _sanitized(tally, keyword, kind, sanitizers, libraries):
    # With sanitizers g++ 12 takes parts of std::regex for uninitialized, and frames of coroutines for freed wrongly.
    flags = "-O1 -g1 -Wno-maybe-uninitialized -Wno-mismatched-new-delete"
    options = [f"-DPARLEY_SANITIZE={sanitizers}", "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_FLAGS={flags}"]
    _gtests(tally, keyword, kind, options, libraries)


def _gtests(tally, keyword, kind, options, only):
    steps = Steps(2)
    steps.begin(f"Building ({kind})")
    targets = [f"parley_{part}_test" for part in only] if only else ["all"]
    where = build.build(targets, kind, options, steps.progress)
    steps.done()
    steps.begin(f"Unit tests ({kind})")
    programs = sorted(path for path in where.rglob("*_test") if path.is_file() and os.access(path, os.X_OK))
    for program in programs:
        if only and program.name.removeprefix("parley_").removesuffix("_test") not in only:
            continue
        steps.progress(program.name)
        _gtest(tally, program, keyword, kind)
    steps.done()


def _gtest(tally, program, keyword, kind):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [str(program), f"--gtest_output=json:{report.name}", "--gtest_brief=1"]
        if keyword:
            command.append(f"--gtest_filter=*{keyword}*")
        try:
            ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=600)
            output, code = ran.stdout + ran.stderr, ran.returncode
        except subprocess.TimeoutExpired as late:
            output, code = f"{late.stdout!r}\n(not done after {late.timeout:.0f} s)", 1
        failures = 0
        try:
            suites = json.loads(Path(report.name).read_text())["testsuites"]
        except (ValueError, KeyError):
            suites = []
        for suite in suites:
            for case in suite["testsuite"]:
                name = f"{kind}:{program.name}:{suite['name']}.{case['name']}"
                if case["result"] == "SKIPPED" or case["status"] == "NOTRUN":
                    tally.skipped += case["result"] == "SKIPPED"
                    continue
                failures += "failures" in case
                tally.add(name, "failures" not in case)
        if code != 0:
            print("\n".join(line for line in output.splitlines() if not LOG_LINE.match(line))[-6000:])
            if not failures:
                tally.add(f"{kind}:{program.name} (exit {code})", False)


def fuzz(tally, keyword):
    steps = Steps(2)
    steps.begin("Building fuzzers")
    options = ["-DPARLEY_FUZZ=ON", "-DPARLEY_TESTS=OFF", "-DCMAKE_CXX_COMPILER=clang++"]
    targets = sorted(source.stem for source in (build.ROOT / "tests" / "fuzz").glob("fuzz_*.cc"))
    where = build.build(targets, "fuzz", options, steps.progress)
    steps.done()
    steps.begin("Fuzzing briefly")
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = ["ctest", "--test-dir", str(where), "--output-on-failure", "--output-junit", report.name]
        ran = subprocess.run(
            command + ["-R", keyword or "fuzz_"], capture_output=True, text=True, errors="replace", check=False
        )
        if ran.returncode != 0:
            print(ran.stdout[-6000:])
        _junit(tally, report.name, ran.returncode)
    steps.done()


def e2e(tally, keyword):
    _pytest(tally, keyword, "End to end", "e2e")


def chaos(tally, keyword):
    _pytest(tally, keyword, "Faults under load", "chaos")


def ops(tally, keyword):
    _pytest(tally, keyword, "Manifests, metrics, dashboards, alerts", "ops")


def upgrade(tally, keyword):
    version, commit = previous.release()
    if previous.missing():
        print(f"SKIPPED upgrade: {previous.missing()}")
        tally.skipped += 1
        return
    steps = Steps(1)
    steps.begin(f"Building release {version} ({commit[:12]})")
    os.environ["PARLEY_PREVIOUS"] = str(previous.programs())
    steps.done()
    _pytest(tally, keyword, "Both releases side by side", "upgrade")
    # What clients see must not depend on which release serves them.
    _pytest(tally, keyword, "End to end, on a cluster of both releases", *(f"e2e/test_{name}.py" for name in MIXED))


def _pytest(tally, keyword, title, *parts):
    steps = Steps(2)
    steps.begin("Building services and clients")
    build.build(["all"], progress=steps.progress)
    steps.done()
    steps.begin(title)
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = ["/usr/bin/python3", "-m", "pytest", "-q", "-x" if os.environ.get("PARLEY_FAIL_FAST") else "-q"]
        command += ["-p", "no:cacheprovider", f"--junitxml={report.name}"]
        command += [str(build.ROOT / "tests" / part) for part in parts]
        if keyword:
            command += ["-k", keyword]
        code = subprocess.run(command, check=False, cwd=build.ROOT).returncode
        _junit(tally, report.name, 0 if code == 5 else code)
    steps.done()


def _junit(tally, report, code):
    """Adds the cases of a JUnit report; a failure of the runner itself counts as one."""
    cases = list(ElementTree.parse(report).iter("testcase")) if Path(report).stat().st_size else []
    failures = 0
    for case in cases:
        if case.find("skipped") is not None:
            tally.skipped += 1
            continue
        bad = case.find("failure") is not None or case.find("error") is not None
        failures += bad
        tally.add(f"{case.get('classname')}.{case.get('name')}", not bad)
    if code != 0 and not failures:
        tally.add(f"{Path(report).name} (exit {code})", False)


def instructions(tally, keyword):
    steps = Steps(2)
    steps.begin("Building workloads")
    build.build(["parley-workload"], progress=steps.progress)
    steps.done()
    steps.begin("Counting instructions")
    results = list(counting.compare(counting.count(), counting.read_baseline()))
    steps.done()
    for name, line, passed in results:
        if keyword and keyword not in name:
            continue
        print(line)
        tally.add(f"instructions:{name}", passed)


PARTS = {"check": check, "unit": unit, "instructions": instructions, "asan": asan, "fuzz": fuzz}
PARTS |= {"e2e": e2e, "chaos": chaos, "ops": ops}
# Only when asked for by name: the others are to take less than half an hour together on two cores.
MORE_PARTS = {"asan-services": asan_services, "tsan": tsan, "upgrade": upgrade}


def run(parts, keyword):
    known = PARTS | MORE_PARTS
    unknown = set(parts) - set(known)
    if unknown:
        raise Failure(f"no such part of the tests: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    tally = Tally()
    started = time.monotonic()
    for name in parts or PARTS:
        print(f"=== {name}", flush=True)
        known[name](tally, keyword)
    for name in tally.failed:
        print(f"FAILED {re.sub(r'[^ -~]', '?', name)}")
    if not parts:
        print(f"not run, only when asked for: {', '.join(MORE_PARTS)}")
    print(f"took {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {tally.skipped} skipped")
    return 1 if tally.failed or not tally.passed else 0
