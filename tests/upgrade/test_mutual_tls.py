"""Mutual TLS between services, switched on and off again by rollouts (docs/secure.md)."""

from parley_dev import certificates


async def test_switching_under_load_loses_and_repeats_nothing(running):
    async with running([], "--sessions", "30", "--rate", "10") as run:
        cluster = run.cluster
        certificates.ensure_roles(cluster.directory / "tls")
        plain = cluster.config_file.read_text()
        for mode in ("prepare", "switch", "required", "switch", "prepare", "off"):
            cluster.plan["mtls"] = mode != "off"
            cluster.config_file.write_text(plain if mode == "off" else f"{plain}mtls:\n  mode: {mode}\n")
            await run.roll()
            assert cluster.ctl("status").returncode == 0, mode
