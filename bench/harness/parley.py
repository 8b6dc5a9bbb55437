"""Parley: ./parley up in its own directory, the limits that protect it from one address or user out of reach, nothing else."""

import json
import shutil

from harness.origin import commit
from harness.peer import DOMAIN, ITERATIONS, PASSWORD, PREFIX, SALT, Peer, finished, scram_keys
from parley_dev.cluster import Cluster
from parley_dev.steps import Failure

# No limit is off (0 would be): each stanza, byte and connection is counted and timed as in production. Only the values, the
# highest that the configuration takes, are out of reach of a load generator on a few addresses.
MANY = 1_000_000_000
SETTINGS = [
    f"c2s.stanzas_per_second={MANY}",
    f"c2s.stanzas_burst={MANY}",
    "c2s.bytes_per_second=1GiB",
    "c2s.bytes_burst=1GiB",
    f"c2s.connections_per_second_per_address={MANY}",
    f"c2s.connections_burst_per_address={MANY}",
    f"c2s.max_connections_per_address={MANY}",
    f"c2s.registrations_per_minute_per_address={MANY}",
    "log.level=warn",
]
REDIS_STATISTICS = {"total_commands_processed": "redis", "total_net_input_bytes": "redis_bytes"}
LINK_METRICS = {
    "parley_link_frames_total": "frames",
    "parley_link_bytes_total": "link_bytes",
    "parley_link_batch_envelopes_count": "batches",
    "parley_link_batch_envelopes_sum": "envelopes",
}
# As for the peers: known keys under many names.
MAKE_ACCOUNTS = """
WITH made AS (
  INSERT INTO accounts (host_id, localpart)
  SELECT h.id, '{prefix}' || n FROM hosts h, generate_series(0, {last}) n WHERE h.domain = '{domain}'
  ON CONFLICT DO NOTHING RETURNING id)
INSERT INTO scram_keys (account_id, hash, salt, iterations, stored_key, server_key)
SELECT made.id, k.hash, '\\x{salt}', {iterations}, CASE k.hash WHEN '{sha1}' THEN '\\x{stored1}'::bytea ELSE '\\x{stored256}' END,
       CASE k.hash WHEN '{sha1}' THEN '\\x{server1}'::bytea ELSE '\\x{server256}' END
FROM made, (SELECT DISTINCT hash FROM scram_keys) k;
ANALYZE accounts, scram_keys;
"""


class Parley(Peer):
    name = "parley"
    counts = {"c2s": 2, "router": 2, "roster": 1}

    def __init__(self, directory, counts=None, settings=()):
        super().__init__(directory)
        self.counts = counts or self.counts
        self.settings = [*SETTINGS, *settings]
        self.cluster = Cluster(self.directory)

    def start(self, accounts):
        # What a run that was cut off left is not to be cleared away in this one.
        shutil.rmtree(self.cluster.directory / "redis", ignore_errors=True)
        self.cluster.up(self.counts, [DOMAIN], self.settings, quiet=True, fixed_ports=False)
        self.make_accounts(accounts)

    def make_accounts(self, accounts):
        sha1, sha256 = scram_keys("sha1"), scram_keys("sha256")
        self.sql(
            MAKE_ACCOUNTS.format(
                prefix=PREFIX, last=accounts - 1, domain=DOMAIN, salt=SALT.hex(), iterations=ITERATIONS,
                sha1="SHA-1", stored1=sha1[0].hex(), server1=sha1[1].hex(),
                stored256=sha256[0].hex(), server256=sha256[1].hex(),
            )
        )

    def sql(self, text):
        postgres = self.cluster.postgres()
        ran = finished(
            ["psql", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "parley", "-d", "parley", "-v", "ON_ERROR_STOP=1"]
            + ["-Atq"],
            120, "psql", input=text, capture_output=True,
        )
        if ran.returncode != 0:
            raise Failure(f"psql: {ran.stderr}")
        return ran.stdout.strip()

    def redis_work(self):
        """Commands that Redis has carried out so far, those of scripts among them, and the bytes that asked for them."""
        shown = dict(line.split(":", 1) for line in self.redis("info", "stats").splitlines() if ":" in line)
        return {name: int(shown[statistic]) for statistic, name in REDIS_STATISTICS.items()}

    def redis(self, *words):
        port = str(self.cluster.redis().port)
        return finished(["redis-cli", "-p", port, *words], 30, "redis-cli", capture_output=True).stdout

    def link_work(self):
        """Frames that went between services so far, their bytes, how many of them carried stanzas, and those stanzas."""
        work = dict.fromkeys(LINK_METRICS.values(), 0)
        for name in self.cluster.instances():
            code, shown = self.cluster.http(name, "/metrics")
            if code != 200:
                raise Failure(f"{name} tells no metrics: {shown}")
            for line in shown.splitlines():
                metric, _, rest = line.partition("{")
                if metric in LINK_METRICS and 'direction="received"' not in rest:
                    work[LINK_METRICS[metric]] += int(float(line.split()[-1]))
        return work

    def stop(self):
        if self.cluster.plan:
            self.cluster.down()

    def load_arguments(self):
        status = self.directory / "status.json"
        status.write_text(json.dumps(self.cluster.status()))
        return ["--cluster", str(status)]

    def version(self):
        return f"Parley {commit()}: {size(self.counts)}, Redis, PostgreSQL"


class Single(Parley):
    """One process of each service: no second node that a message could have to go to."""

    name = "single"
    column = "parley"
    counts = {"c2s": 1, "router": 1, "roster": 1}
    stays = False

    def version(self):
        return f"one of each: {size(self.counts)}"


def size(counts):
    return ", ".join(f"{count} {service}" for service, count in counts.items())


__all__ = ["Parley", "Single", "PASSWORD", "size"]
