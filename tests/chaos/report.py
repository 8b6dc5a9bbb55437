"""What a run tells its reader."""

import asyncio
import itertools
import subprocess
from collections import Counter, defaultdict

from recovery import BACK_SECONDS, BACK_SHARE, NOTICED_SECONDS, missed, recoveries, stood_still, verdict

# Leases of edges, and which of them have an index of sessions. Everything else must have gone, or go by itself.
LEASES, INDEXED = PERMANENT = ("parley:nodes", "parley:n")
LAPSED_SECONDS = 20 * 4 + 5  # for which a lapsed lease is kept, by the default of c2s.lease_ttl
# The index of a former lease stays until it is noticed (15 s) and router.restore_grace (30 s) is over.
REDIS_SECONDS = 60


async def redis_garbage(cluster):
    """What would stay for ever once all sessions are over; waits for what is on its way out."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REDIS_SECONDS
    port = cluster.redis().port
    while (garbage := [*_lasting_keys(port), *_lasting_nodes(port)]) and loop.time() < deadline:
        await asyncio.sleep(0.2)
    return garbage


def _lasting_keys(port):
    keys = _redis(port, "--scan").splitlines()
    return [key for key in keys if key not in PERMANENT and _redis(port, "TTL", key).strip() == "-1"]


def _lasting_nodes(port):
    """Of edges that are no more, in the keys that stay."""
    now = int(_redis(port, "TIME").split()[0])
    leases = lambda since, until: _redis(port, "ZRANGEBYSCORE", LEASES, since, until).split()
    for name in leases("-inf", str((now - LAPSED_SECONDS) * 1000)):
        yield f"{name} in {LEASES}"
    for name in set(_redis(port, "SMEMBERS", INDEXED).split()) - set(leases(str(now * 1000), "+inf")):
        yield f"{name} in {INDEXED}"


def _redis(port, *command):
    return subprocess.run(["redis-cli", "-p", str(port), *command], capture_output=True, text=True, check=True).stdout


def broken_in_cluster(run):
    """What the processes did wrong beside what clients see. Call it when all have ended."""
    keys = [f"Redis keeps {key}" for key in run.garbage]
    return [*keys, *run.saboteur.violations, *cut_off_drains(run.cluster)]


def cut_off_drains(cluster):
    """A drain that its time-out ends has left something undone. Nothing else failed while one was under way."""
    for log in sorted(cluster.directory.glob("log/*.log")):
        if count := log.read_text(errors="replace").count("drain_cut_off"):
            yield f"{log.stem}: {count} drains were cut off"


def print_violations(run):
    """Of a run that was cut short: what it can tell."""
    broken = run.so_far()
    _title("aborted")
    print_broken(broken)
    print(f"{len(broken)} promises broken until then, seed {run.options.seed}", flush=True)


def print_report(run):
    """True if a promise was broken."""
    counts, broken = run.world.ledger.verdict()
    broken += broken_in_cluster(run)
    ledger = run.world.ledger
    if run.options.strict and not _hindered(run.world):
        broken += missed(run.saboteur.done, ledger.attached)
    _title("messages")
    for name, count in counts.items():
        print(f"{count:>8}  {name}")
    _title("sessions")
    how = Counter(row.how for row in ledger.attached)
    entitled = sum(loss[3] for loss in ledger.losses)
    print(f"{how['resumed']:>8}  resumed\n{how['new']:>8}  bound anew")
    print(f"{len(ledger.losses) - entitled:>8}  came too late to resume")
    print(f"{entitled:>8}  REFUSED though entitled to resume")
    for reason, count in ledger.ends.most_common():
        print(f"{count:>8}  streams or attempts ended: {reason}")
    for line in itertools.islice(ledger.bounced(), 20):
        print(line)
    _faults(run)
    _title("verdict")
    print_broken(broken)
    print(f"{len(broken)} promises broken, seed {run.options.seed}")
    return broken


def print_broken(lines):
    for line in lines[:50]:
        print(f"BROKEN {line}")


def _faults(run):
    """Per kind: clients that came back (from the first try that could work, see recovery.py, and from the first at all),
    delay of messages, time until all had recovered, time until a dead edge was noticed; and the goals."""
    _title("faults: seconds, p50/p99 (number)")
    for fault in run.saboteur.done:
        print(f"{fault.began:.2f} to {fault.healed:.2f}: {fault.text}")
    kinds = defaultdict(list)
    for fault in run.saboteur.done:
        kinds[f"{fault.kind} {fault.service}"].append(fault)
    _row("fault", "times", "back", f"in {BACK_SECONDS} s", "back: all tries", "delivery", "recovery", "dead c2s noticed",
         f"in {NOTICED_SECONDS} s")  # fmt: skip
    _usual(run)
    slow, everybody = [], []
    for name, faults in sorted(kinds.items()):
        back = [(fault, recovery) for fault in faults for recovery in recoveries(fault, run.world.ledger.attached)]
        _kind(run, name, faults, [recovery for _, recovery in back])
        everybody += [recovery.seconds for _, recovery in back]
        slow += [(fault, recovery) for fault, recovery in back if recovery.seconds > BACK_SECONDS]
    print(f"goal: {BACK_SHARE:.0%} back within {BACK_SECONDS} s: {verdict(everybody, BACK_SECONDS, BACK_SHARE)}")
    for fault, recovery in slow[:20]:
        print(
            f"slow: {recovery.session.full} back at c2s-{recovery.edge + 1} after {recovery.seconds:.2f} s, "
            f"{recovery.at - fault.began:.2f} s after {fault.text} began; "
            f"we stood still for {stood_still(recovery, run.world.stalls):.2f} s of it"
        )
    for hindrance in _hindered(run.world):
        print(f"{hindrance}: times say little")


def _hindered(world):
    """What makes times the machine's own, in words."""
    stalled = sum(to - since for since, to in world.stalls)
    found = [f"We ourselves stood still for {stalled:.1f} s"] if stalled else []
    if short := world.short_of_cpu():
        found.append(f"The machine was short of CPU for {short:.0%} of the time")
    return found


def _kind(run, name, faults, back):
    spans = [(fault.began - 0.1, fault.recovered) for fault in faults]
    delays = [delay for at, delay in run.world.ledger.latencies if any(began <= at <= end for began, end in spans)]
    seconds = [recovery.seconds for recovery in back]
    noticed = [fault.noticed for fault in faults if fault.noticed is not None]
    _row(name, len(faults), _spread(seconds), verdict(seconds, BACK_SECONDS, BACK_SHARE),
         _spread([recovery.tried for recovery in back]), _spread(delays),
         _spread([fault.recovered - fault.healed for fault in faults]), _spread(noticed),
         verdict(noticed, NOTICED_SECONDS, 1))  # fmt: skip


def _usual(run):
    """While there was no fault."""
    spans = [(fault.began - 0.1, fault.recovered) for fault in run.saboteur.done]
    usual = lambda at: not any(began <= at <= end for began, end in spans)
    ledger = run.world.ledger
    back = [row.at - row.tries[0].since for row in ledger.attached if usual(row.at) and row.how == "resumed"]
    delays = [delay for at, delay in ledger.latencies if usual(at)]
    _row("(none)", 0, _spread(back), "-", _spread(back), _spread(delays), "-", "-", "-")


def _row(name, *columns):
    widths = (6, 18, 14, 20, 20, 15, 18, 14)
    print(f"{name:<20}" + "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True)))


def _spread(values):
    if not values:
        return "-"
    ordered = sorted(values)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return f"{at(0.5):.2f}/{at(0.99):.2f} ({len(ordered)})"


def _title(text):
    print(f"\n== {text}")
