"""Who may talk to whom inside a cluster: mutual TLS, tokens, roles of operators, the audit log, stores over TLS."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from certificates import Authority
from conftest import PASSWORD, World, start_cluster
from parley_dev import certificates
from parley_dev.processes import Process, free_port, wait_until
from parley_dev.stores import Postgres
from rawxmpp import body, is_message


def log_of(world, *names):
    return "\n".join((world.cluster.directory / "log" / f"{name}.log").read_text() for name in names)


def audited(world, name):
    return [line for line in log_of(world, name).splitlines() if " audit " in line]


def ctl(world, *arguments, identity=None, stdin=None):
    """parleyctl as somebody: `identity` is a folder, or a role of the cluster's."""
    if isinstance(identity, str):
        identity = world.cluster.identity(identity)
    extra = ["--identity", str(identity)] if identity else []
    command = [world.cluster.ctl_command([])[0], "--config", str(world.cluster.config_file), *extra, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


async def chat(world):
    romeo, juliet = await world.pair()
    await romeo.message(juliet.jid, "art thou not Romeo?")
    assert body(await juliet.until(is_message)) == "art thou not Romeo?"
    return romeo, juliet


def gauge(world, name, metric):
    status, text = world.cluster.http(name, "/metrics")
    assert status == 200, (name, status, text)
    (line,) = [row for row in text.splitlines() if row.startswith(metric)]
    return float(line.split()[-1])


# -- mutual TLS --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    cluster = start_cluster(tmp_path_factory.mktemp("mtls"), settings=["mtls.check=1s"], mtls=True)
    yield World(cluster)
    cluster.down()


async def test_cluster_with_mutual_tls_carries_messages_and_takes_orders(secured):
    romeo, _ = await chat(secured)
    bare = romeo.jid.split("/")[0]
    assert romeo.jid in ctl(secured, "sessions", "list", bare, identity="viewer").stdout
    assert ctl(secured, "user", "add", "mtls-ada@localhost", stdin=PASSWORD, identity="admin").returncode == 0
    await (await secured.login("mtls-ada@localhost")).close()
    assert ctl(secured, "sessions", "kick", romeo.jid, identity="admin").returncode == 0
    await romeo.ended()


def test_viewer_may_look_and_no_more(secured):
    assert ctl(secured, "user", "list", "localhost", identity="viewer").returncode == 0
    assert ctl(secured, "members", identity="viewer").returncode == 0
    for change in (["user", "add", "eve@localhost"], ["user", "del", secured.account()], ["user", "import", "-"]):
        ran = ctl(secured, *change, identity="viewer", stdin="eve@localhost secret\n")
        assert ran.returncode == 1 and "identity of an admin" in ran.stderr, (change, ran.stderr)


def test_service_may_not_do_what_operators_do(secured):
    ran = ctl(secured, "user", "list", identity="c2s")
    assert ran.returncode == 1 and "c2s" in ran.stderr
    ran = ctl(secured, "sessions", "kick", "romeo@localhost", identity="roster")
    assert ran.returncode == 1 and "roster" in ran.stderr


def test_strangers_are_not_answered(secured, tmp_path):
    assert ctl(secured, "user", "list").returncode == 3
    authority = Authority(tmp_path / "foreign")
    certificate, key = authority.issue("somebody", ["DNS:admin.parley.internal"])
    folder = tmp_path / "identity"
    folder.mkdir()
    for source, name in ((certificate, "tls.crt"), (key, "tls.key"), (authority.file, "ca.crt")):
        shutil.copy(source, folder / name)
    assert ctl(secured, "user", "list", identity=folder).returncode == 3
    # One who trusts the cluster, but is not trusted.
    shutil.copy(secured.cluster.identity("admin") / "ca.crt", folder / "ca.crt")
    assert ctl(secured, "user", "list", identity=folder).returncode == 3


def test_changes_are_audited(secured):
    ctl(secured, "user", "add", "mtls-bob@localhost", stdin=PASSWORD, identity="admin")
    ctl(secured, "user", "add", "mtls-bob@localhost", stdin=PASSWORD, identity="admin")
    ctl(secured, "user", "del", "mtls-bob@localhost", identity="viewer")
    ctl(secured, "user", "list", identity="viewer")
    lines = audited(secured, "roster-1")
    bob = [line for line in lines if "on=mtls-bob@localhost" in line]
    assert len(bob) == 2 and all("role=admin" in line and "admin of development" in line for line in bob)
    assert "outcome=done" in bob[0] and "outcome=refused" in bob[1] and "PROBLEM_EXISTS" in bob[1]
    assert not [line for line in lines if "/List" in line and "role=viewer" in line]  # looking is no change
    denied = [line for name in ("router-1", "router-2") for line in audited(secured, name) if "RemoveAccount" in line]
    assert [line for line in denied if "role=viewer" in line and "outcome=denied" in line]
    assert PASSWORD not in log_of(secured, *secured.cluster.instances())


async def test_renewed_certificates_are_taken_and_links_live_on(own_cluster_mtls):
    world = own_cluster_mtls
    romeo, juliet = await chat(world)
    metric = "parley_link_certificate_expiry_timestamp_seconds"
    names = list(world.cluster.instances())
    before = {name: gauge(world, name, metric) for name in names}
    ended = log_of(world, *names).count("link_down")  # a router's to itself
    roles = world.cluster.directory / "tls" / "roles"
    for role in certificates.ROLES:
        shutil.rmtree(roles / role)
    days, certificates.DAYS = certificates.DAYS, "90"
    try:
        certificates.ensure_roles(world.cluster.directory / "tls")
    finally:
        certificates.DAYS = days
    wait_until(lambda: all(gauge(world, name, metric) != before[name] for name in names), 20, "the new certificates")
    await romeo.message(juliet.jid, "still")
    assert body(await juliet.until(is_message)) == "still"
    assert log_of(world, *names).count("link_down") == ended
    # Who starts now uses the new files.
    world.cluster.stop("router-1")
    world.cluster.start("router-1")
    await chat(world)


@pytest.fixture
def own_cluster_mtls(tmp_path):
    cluster = start_cluster(tmp_path / "rotation", settings=["mtls.check=1s"], mtls=True)
    yield World(cluster)
    cluster.down()


async def test_mutual_tls_is_switched_on_process_by_process(tmp_path):
    """docs/secure.md. tests/upgrade does it under load."""
    cluster = start_cluster(tmp_path / "switched")
    try:
        world = World(cluster)
        certificates.ensure_roles(cluster.directory / "tls")
        cluster.plan["mtls"] = True
        plain = cluster.config_file.read_text()
        for mode in ("prepare", "switch", "required"):
            cluster.config_file.write_text(f"{plain}mtls:\n  mode: {mode}\n")
            for name in ("roster-1", "router-1", "c2s-1", "c2s-2", "router-2"):
                cluster.stop(name)
                cluster.start(name)
                romeo, juliet = await chat(world)
                assert ctl(world, "sessions", "list", identity="admin").returncode == 0, (mode, name)
                await romeo.close()
                await juliet.close()
        assert ctl(world, "user", "list").returncode == 3, "nobody comes in without a certificate"
        for name in cluster.instances():
            assert "calls_are_open" not in log_of(world, name).split("mtls.mode is prepare")[-1]
    finally:
        cluster.down()


# -- tokens ------------------------------------------------------------------------------------------------------------

TOKENS = {"service": "service-token-0123456789", "admin": "admin-token-0123456789", "viewer": "viewer-token-0123456789"}


async def test_tokens_do_where_there_is_no_mutual_tls(tmp_path, monkeypatch):
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"the-{role} {role} {token}\n" for role, token in TOKENS.items()))
    files = {role: tmp_path / role for role in TOKENS}
    for role, file in files.items():
        file.write_text(TOKENS[role] + "\n")
    monkeypatch.setenv("PARLEY_ACCESS_TOKENS_FILE", str(tokens))
    monkeypatch.setenv("PARLEY_TOKEN_FILE", str(files["service"]))
    cluster = start_cluster(tmp_path / "tokens-cluster", settings=["log.level=debug"])
    try:
        monkeypatch.setenv("PARLEY_TOKEN_FILE", str(files["admin"]))
        world = World(cluster)
        await chat(world)
        for role, code in (("viewer", 1), ("service", 1), ("admin", 0)):
            ran = ctl(world, "--token-file", str(files[role]), "user", "del", "user9@localhost")
            assert ran.returncode == code, (role, ran.stderr)
        monkeypatch.delenv("PARLEY_TOKEN_FILE")
        assert "does not know you" in ctl(world, "user", "list").stderr
        everything = log_of(world, *cluster.instances()) + command_lines(world)
        assert not [token for token in TOKENS.values() if token in everything]
        assert "who=the-admin" in log_of(world, "router-1", "router-2")
    finally:
        cluster.down()


def command_lines(world):
    pids = [Process(world.cluster.directory, name).pid() for name in world.cluster.instances()]
    return "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)


# -- stores ------------------------------------------------------------------------------------------------------------

REDIS_PASSWORD = "redis-secret-in-a-file"
POSTGRES_PASSWORD = "postgres-secret-in-a-file"
# What docs/secure.md gives as the rules of Parley's user.
REDIS_RULES = "~parley:* &__redis__:invalidate +@all -@admin -@dangerous"


class Stores:
    """A Redis and a PostgreSQL that talk TLS only, and to who knows a password only."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = Authority(directory / "authority")
        self.files = self.authority.issue("localhost", ["DNS:localhost"])
        self.redis_port, self.postgres = free_port(), Postgres(directory, free_port())
        self.redis = Process(directory, "redis-tls")

    def start(self):
        certificate, key = map(str, self.files)
        acl = self.directory / "users.acl"
        acl.write_text(f"user default off\nuser parley on >{REDIS_PASSWORD} {REDIS_RULES}\n")
        self.redis.start(
            ["redis-server", "--port", "0", "--tls-port", str(self.redis_port), "--bind", "127.0.0.1", "--save", ""]
            + ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", str(self.authority.file)]
            + ["--tls-auth-clients", "no", "--aclfile", str(acl), "--dir", str(self.directory)]
        )
        self.postgres.start()
        psql = ["psql", "-h", "127.0.0.1", "-p", str(self.postgres.port), "-U", "parley", "-d", "postgres", "-qc"]
        for statement in (
            f"CREATE USER app PASSWORD '{POSTGRES_PASSWORD}'",
            "CREATE DATABASE app OWNER app",
        ):
            subprocess.run([*psql, statement], check=True)
        self.postgres.stop()
        data = self.postgres.directory
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            shutil.copy(source, data / name)
            if os.getuid() == 0:
                owner = pwd.getpwnam("postgres")
                os.chown(data / name, owner.pw_uid, owner.pw_gid)
            (data / name).chmod(0o600)
        with open(data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("ssl = on\n")
        self.postgres.start()

    def stop(self):
        self.redis.stop()
        self.postgres.stop()

    def settings(self):
        return [
            *("redis.host=localhost", f"redis.port={self.redis_port}", "redis.tls=true", "redis.username=parley"),
            f"redis.ca_file={self.authority.file}",
            *("postgres.host=localhost", f"postgres.port={self.postgres.port}", "postgres.tls=verify-full"),
            *("postgres.database=app", "postgres.user=app", f"postgres.ca_file={self.authority.file}"),
        ]


@pytest.fixture
def stores(tmp_path):
    stores = Stores(tmp_path / "stores")
    try:
        stores.start()
        yield stores
    finally:
        stores.stop()


async def test_stores_over_tls_with_passwords_from_files(tmp_path, stores, monkeypatch):
    for variable, secret in (("REDIS", REDIS_PASSWORD), ("POSTGRES", POSTGRES_PASSWORD)):
        file = tmp_path / variable
        file.write_text(secret + "\n")
        monkeypatch.setenv(f"PARLEY_{variable}_PASSWORD_FILE", str(file))
    cluster = start_cluster(tmp_path / "tls-stores", settings=[*stores.settings(), "log.level=debug"])
    try:
        world = World(cluster)
        _, juliet = await chat(world)
        # Offline storage, resumption's queues and the leases use what the rules of the Redis user allow.
        absent = world.account()
        await juliet.message(absent, "for later")
        await juliet.sync()
        late = await world.login(absent)
        assert body(await late.until(is_message)) == "for later"
        assert "NOPERM" not in log_of(world, *cluster.instances())
        everything = log_of(world, *cluster.instances()) + command_lines(world) + cluster.config_file.read_text()
        assert REDIS_PASSWORD not in everything and POSTGRES_PASSWORD not in everything
    finally:
        cluster.down()


def test_secrets_are_refused_on_the_command_line(secured):
    router = str(Path(secured.cluster.ctl_command([])[0]).parent / "parley-router")
    ran = subprocess.run(
        [router, "--config", str(secured.cluster.config_file), "--set", "redis.password=open-sesame", "--check-config"],
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "PARLEY_REDIS_PASSWORD_FILE" in ran.stderr and "open-sesame" not in ran.stderr
