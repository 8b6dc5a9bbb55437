"""The command line of ./parley."""

import argparse
import json
import os
import subprocess
import sys

from parley_dev import build, cluster
from parley_dev.cluster import DEMO_USERS, Cluster
from parley_dev.steps import Failure, Steps


def up(arguments):
    here = Cluster(arguments.dir)
    previous = here.plan or {"domains": ["localhost"], "settings": []}
    counts = {
        service: getattr(arguments, service) or len(here.instances(service) if here.plan else ()) or default
        for service, default in (("c2s", 2), ("router", 2), ("roster", 1))
    }
    domains = arguments.domain or previous["domains"]
    settings = previous["settings"] if arguments.set is None else [setting for setting in arguments.set if setting]
    mtls = previous.get("mtls", False) if arguments.mtls is None else arguments.mtls
    here.up(counts, domains, settings, mtls=mtls)
    print_welcome(here)


def print_welcome(here):
    domain = here.plan["domains"][0]
    edges = [here.addresses(name) for name in here.instances("c2s")]
    romeo, juliet = (f"{name}@{domain}" for name in DEMO_USERS)
    print(
        f"""
Parley is up. Connect a client (STARTTLS; direct TLS in brackets) to any of
  {', '.join(f"{a['xmpp']} [{a['xmpps']}]" for a in edges)}
as {romeo} (password {DEMO_USERS['romeo']}) or {juliet} (password {DEMO_USERS['juliet']}).
The development CA is {here.ca_file}.

Try it:
  ./parley ctl user list            accounts
  ./parley ctl sessions list        who is connected, and where
  ./parley status                   processes;  ./parley logs -f  what they say
  curl http://{edges[0]['metrics']}/metrics
  tools/try-chat                    romeo writes to juliet across two edges
"""
    )


def down(arguments):
    Cluster(arguments.dir).down()
    print("stopped; accounts and messages are kept, `./parley up` brings them back")


def status(arguments):
    report = Cluster(arguments.dir).status()
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    for row in report["services"]:
        where = "  ".join(f"{name} {address}" for name, address in row["addresses"].items())
        print(f"{row['instance']:<10} {row['state']:<9} pid {row['pid'] or '-':<8} {where}")


def logs(arguments):
    here = Cluster(arguments.dir)
    names = arguments.instance or [*here.instances(), "redis", "postgres"]
    files = [str(here.directory / "log" / f"{name}.log") for name in names]
    os.execvp("tail", ["tail", "-n", str(arguments.lines), *(["-F"] if arguments.follow else []), *files])


def ctl(arguments):
    command = Cluster(arguments.dir).ctl_command(arguments.arguments)
    os.execv(command[0], command)


def each(action):
    def run(arguments):
        here = Cluster(arguments.dir)
        for name in arguments.instance:
            action(here, name)
            print(f"{name}: {here.state(name)}")

    return run


def restart(here, name):
    here.stop(name)
    here.start(name)


def build_all(arguments):
    steps = Steps(1)
    steps.begin("Building")
    build.build(arguments.targets or ["all"], progress=steps.progress)
    steps.done()


def generate(arguments):
    from parley_ops import generate as generator

    for path in generator.write(build.ROOT):
        print(path)


def release(arguments):
    from parley_ops import release as releases

    try:
        version, commit = releases.end(build.ROOT, arguments.following)
    except ValueError as problem:
        raise Failure(problem) from None
    print(f"{commit} is release {version}: git tag -a v{version} {commit[:12]}")
    print(f"./parley generate, and commit what changed: {arguments.following} begins")


def test(arguments):
    from parley_dev import testing

    return testing.run(arguments.parts, arguments.keyword)


def check(arguments):
    return test(argparse.Namespace(parts=["check"], keyword=None))


def format_all(arguments):
    from parley_dev import formatting

    formatting.apply()


def chaos(arguments):
    build.build(build.SERVICES)
    what, rest = "chaos.py", arguments.arguments
    if rest[:1] == ["variety"]:
        what, rest = "variety", rest[1:]
    driver = build.ROOT / "tests" / "chaos" / what
    os.execv("/usr/bin/python3", ["/usr/bin/python3", str(driver), *rest])


def bench(arguments):
    what, *rest = arguments.arguments or ["help"]
    tools = {"compare": "compare", "scale": "scale"}
    if what in tools:
        os.execv(build.ROOT / "bench" / tools[what], [tools[what], *rest])
    if what == "micro":
        build.build(["parley-microbench"])
        os.execv(build.directory() / "bin" / "parley-microbench", ["parley-microbench", *rest])
    if what == "baseline":
        from parley_dev import instructions

        build.build(["parley-workload"])
        return instructions.write_baseline()
    build.build(["parley-bench"])
    if what != "help":
        rest = [what, *rest]
    return subprocess.run([str(build.directory() / "bin" / "parley-bench"), *(rest or ["--help"])], check=False).returncode


def parser():
    top = argparse.ArgumentParser(prog="parley", description="Build, run and test Parley on this machine.")
    top.add_argument("--dir", default=cluster.default_directory(), help="the cluster's directory ($PARLEY_DIR; var)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, action, text, **options):
        command = commands.add_parser(name, help=text, description=text, **options)
        command.set_defaults(action=action)
        return command

    starting = add("up", up, "install, build, start a whole cluster, and say how to use it")
    for service in ("c2s", "router", "roster"):
        starting.add_argument(f"--{service}", type=int, metavar="N", help=f"how many {service} processes")
    starting.add_argument("--domain", action="append", help="a domain to serve (repeatable, kept; at first localhost)")
    starting.add_argument(
        "--set", action="append", metavar="KEY=VALUE", help="a configuration key, for all services (repeatable, kept; '': none)"
    )
    starting.add_argument("--mtls", action=argparse.BooleanOptionalAction, help="mutual TLS between the services")
    add("down", down, "stop the cluster; its data stays")
    add("status", status, "what runs, where").add_argument("--json", action="store_true")
    showing = add("logs", logs, "what the processes say")
    showing.add_argument("instance", nargs="*")
    showing.add_argument("-f", "--follow", action="store_true")
    showing.add_argument("-n", "--lines", type=int, default=30)
    # Their options are parleyctl's and the driver's: nothing here begins an option.
    foreign = {"prefix_chars": "\0", "add_help": False}
    managing = add("ctl", ctl, "parleyctl against this cluster: accounts, sessions, members; ctl --help", **foreign)
    managing.add_argument("arguments", nargs="*")
    for name, action, text in (
        ("start", Cluster.start, "start instances and wait until they are ready"),
        ("stop", Cluster.stop, "stop instances (SIGTERM: they drain)"),
        ("kill", Cluster.kill, "kill instances (SIGKILL)"),
        ("restart", restart, "stop and start instances"),
    ):
        add(name, each(action), text).add_argument("instance", nargs="+")
    benching = add("bench", bench, "compare (with ejabberd and Prosody), scale, micro, baseline; else parley-bench itself")
    benching.add_argument("arguments", nargs=argparse.REMAINDER)
    building = add("build", build_all, "build everything")
    building.add_argument("targets", nargs="*")
    add("check", check, "say which files are not formatted")
    add("format", format_all, "format all C++ by .clang-format")
    add("generate", generate, "make dashboards, the operator's rules and rendered manifests anew from their sources")
    releasing = add("release", release, "end a release: the next one is tested with what is committed now")
    releasing.add_argument("following", metavar="VERSION", help="that begins now, like 0.3.0")
    testing_command = add("test", test, "run the tests; ends in a summary line")
    testing_command.add_argument(
        "parts",
        nargs="*",
        help="check, unit, instructions, asan, fuzz, e2e, chaos, ops (default: these); asan-services, tsan, upgrade",
    )
    testing_command.add_argument("-k", dest="keyword", help="only tests whose name matches")
    breaking = add("chaos", chaos, "harm a cluster under load; chaos --help, chaos variety --help", **foreign)
    breaking.add_argument("arguments", nargs="*")
    add("help", lambda arguments: top.print_help(), "this text")
    return top


def main():
    arguments = parser().parse_args(sys.argv[1:] or ["help"])
    try:
        return arguments.action(arguments) or 0
    except Failure as failure:
        print(f"\nparley: {failure}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"\nparley: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
