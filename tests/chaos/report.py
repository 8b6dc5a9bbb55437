"""What a run tells its reader."""

import asyncio
import subprocess
from collections import Counter, defaultdict

# Leases and the index of nodes; everything else must have gone, or go by itself.
PERMANENT = ("parley:nodes", "parley:n")
REDIS_SECONDS = 20


async def redis_garbage(cluster):
    """Keys that would stay for ever once all sessions are over; waits for what is on its way out."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REDIS_SECONDS
    while (garbage := _lasting_keys(cluster.redis().port)) and loop.time() < deadline:
        await asyncio.sleep(0.2)
    return garbage


def _lasting_keys(port):
    keys = _redis(port, "--scan").splitlines()
    return [key for key in keys if key not in PERMANENT and _redis(port, "TTL", key).strip() == "-1"]


def _redis(port, *command):
    return subprocess.run(["redis-cli", "-p", str(port), *command], capture_output=True, text=True, check=True).stdout


def print_report(run):
    """True if a promise was broken."""
    counts, broken = run.world.ledger.verdict()
    broken += [f"Redis keeps {key}" for key in run.garbage]
    ledger = run.world.ledger
    _title("messages")
    for name, count in counts.items():
        print(f"{count:>8}  {name}")
    _title("sessions")
    how = Counter(row[2] for row in ledger.attached)
    entitled = sum(loss[3] for loss in ledger.losses)
    print(f"{how['resumed']:>8}  resumed\n{how['new']:>8}  bound anew")
    print(f"{len(ledger.losses) - entitled:>8}  came too late to resume")
    print(f"{entitled:>8}  REFUSED though entitled to resume")
    for reason, count in ledger.ends.most_common():
        print(f"{count:>8}  streams or attempts ended: {reason}")
    _faults(run)
    _title("verdict")
    for line in broken[:50]:
        print(f"BROKEN {line}")
    print(f"{len(broken)} promises broken, seed {run.options.seed}")
    return broken


def _faults(run):
    """Per kind: clients that came back (from the attempt that worked, where that began at an edge that was not stopped
    or cut off itself; from the first try, wherever), delay of messages."""
    _title("faults: seconds, p50/p99 (number)")
    head = f"{'fault':<20}{'times':>6}{'back: elsewhere':>20}{'back: all tries':>20}{'delivery':>22}{'recovery':>15}"
    print(head + f"{'dead c2s noticed':>20}")
    kinds = defaultdict(list)
    for fault in run.saboteur.done:
        kinds[f"{fault.kind} {fault.service}"].append(fault)
    for fault in run.saboteur.done:
        print(f"{fault.began:.2f} to {fault.healed:.2f}: {fault.text}")
    ledger = run.world.ledger
    for name, faults in [("(none)", []), *sorted(kinds.items())]:
        of = [(f.began - 0.1, f.recovered) for f in faults or run.saboteur.done]
        within = lambda at: any(began <= at <= ended for began, ended in of) == bool(faults)
        back = [row for row in ledger.attached if within(row[0]) and row[2] == "resumed"]
        delays = [delay for at, delay in ledger.latencies if within(at)]
        elsewhere = [row for row in back if not _at_victim(row, faults)]
        noticed = [f.noticed for f in faults if f.noticed is not None]
        print(
            f"{name:<20}{len(faults):>6}{_spread([r[4] for r in elsewhere]):>20}{_spread([r[3] for r in back]):>20}"
            f"{_spread(delays):>22}{_spread([f.recovered - f.healed for f in faults]):>15}{_spread(noticed):>20}"
        )


def _at_victim(row, faults):
    at, _, _, _, attempt, edge = row
    return any(f.victim == f"c2s-{edge + 1}" and f.began <= at and at - attempt < f.healed for f in faults)


def _spread(values):
    if not values:
        return "-"
    ordered = sorted(values)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return f"{at(0.5):.2f}/{at(0.99):.2f} ({len(ordered)})"


def _title(text):
    print(f"\n== {text}")
