"""What is in PostgreSQL."""

import subprocess


def rows(cluster, query):
    """Tuples of columns, as text; a boolean is t or f."""
    port = str(cluster.plan["stores"]["postgres"])
    ran = subprocess.run(
        ["psql", "-h", "127.0.0.1", "-p", port, "-U", "parley", "-d", "parley", "-At", "-F", "\t", "-c", query],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [tuple(line.split("\t")) for line in ran.stdout.splitlines()]
