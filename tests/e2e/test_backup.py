"""A backup, as docs/backup.md takes it, restored into a fresh cluster."""

import subprocess

from conftest import PASSWORD
from rawxmpp import Raw
from test_migration import EJABBERD
from test_parleyctl import ctl


def postgres(world, program, *arguments):
    port = world.cluster.plan["stores"]["postgres"]
    ran = subprocess.run(
        [program, "-h", "127.0.0.1", "-p", str(port), "-U", "parley", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


async def test_restored_cluster_has_accounts_rosters_and_messages(own_cluster, tmp_path):
    old = own_cluster({"c2s": 1, "router": 1})
    ctl(old, "import", str(EJABBERD))
    file = str(tmp_path / "parley.dump")
    postgres(old, "pg_dump", "-Fc", "-f", file, "parley")
    old.cluster.down()
    new = own_cluster({"c2s": 1, "router": 1})
    new.cluster.stop("roster-1")
    postgres(new, "pg_restore", "--clean", "--if-exists", "--exit-on-error", "-d", "parley", file)
    new.cluster.start("roster-1")
    juliet = await Raw.login(new.edges[0]["xmpp"], "juliet@localhost", "wherefore art", new.context)
    assert "romeo@localhost" in await juliet.roster()
    await juliet.available()
    message = await juliet.until(lambda e: e.tag.endswith("}message"))
    assert message.find("{jabber:client}body").text == "while you <were> away"
    await (await new.login(new.account())).close()
