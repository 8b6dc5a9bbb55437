"""One stanza through all services, as the collector of traces is told; and collectors that are ill."""

import json

import pytest

from conftest import World, start_cluster
from managed import PASSWORD, bodies, managed
from otlp import Collector
from parley_dev.processes import wait_until
from rawxmpp import condition, is_message
from test_faults import in_thread
from test_limits import metric

SAMPLED = ["tracing.interval=20ms", "tracing.sample_ratio=1", "tracing.timeout=500ms"]


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A world whose every stanza is traced, and its collector."""
    collector = Collector()
    settings = [*SAMPLED, f"tracing.endpoint={collector.url}", "log.level=debug", "log.json=true"]
    world = World(start_cluster(tmp_path_factory.mktemp("traced"), settings=settings))
    world.collector = collector
    yield world
    world.cluster.down()
    collector.close()


@pytest.fixture
def collector(traced):
    traced.collector.mode = "good"
    yield traced.collector
    traced.collector.mode = "good"


def spans_lost(world, outcome, instance="c2s-1"):
    return metric(world, f'parley_tracing_spans_total{{outcome="{outcome}"}}', instance)


def session(world, jid):
    """The session's id, as operators see it."""
    listed = world.cluster.ctl("sessions", "list", jid.split("/")[0], "--json")
    assert listed.returncode == 0, listed.stderr
    (mine,) = [each for each in json.loads(listed.stdout) if each["jid"] == jid]
    return mine["session"]


def started_by(session_id):
    return lambda root: root.attributes["parley.session"] == session_id


def is_from(session_id):
    return lambda spans: any(started_by(session_id)(span) for span in spans.values() if span.parent is None)


async def test_message_across_two_edges_is_one_trace(traced, collector):
    romeo, juliet = await traced.pair()
    await romeo.message(juliet.jid, "the secret")
    assert await bodies(juliet, 1) == ["the secret"]
    shape = ["receive message", "route message", "deliver message"]
    spans = await in_thread(collector.trace, shape, is_from(session(traced, romeo.jid)))
    receive, route, deliver = (spans[name] for name in shape)
    assert [span.service for span in (receive, route, deliver)] == ["parley-c2s", "parley-router", "parley-c2s"]
    assert (receive.instance, deliver.instance) == ("c2s-1", "c2s-2")
    assert route.instance in ("router-1", "router-2") and route.version
    assert (receive.parent, route.parent, deliver.parent) == (None, receive.id, route.id)
    assert (route.outcome, deliver.outcome) == ("delivered", "written")
    assert not receive.error and not route.error and not deliver.error
    for span in (receive, route, deliver):
        assert (span.attributes["parley.stanza.kind"], span.attributes["parley.stanza.type"]) == ("message", "chat")
    for span, jid in ((receive, romeo.jid), (deliver, juliet.jid)):
        assert span.attributes["parley.host"] == "localhost"
        assert span.attributes["parley.session"] == session(traced, jid)
    # The root has waited for all that came of the message.
    assert receive.start <= route.start <= deliver.start <= deliver.end <= route.end <= receive.end


async def test_offline_message_is_seen_as_it_is_stored(traced, collector):
    romeo = await traced.login(traced.account())
    await romeo.message(traced.account(), "for later")
    shape = ["receive message", "route message", "store_offline"]
    spans = await in_thread(collector.trace, shape, is_from(session(traced, romeo.jid)))
    assert spans["store_offline"].service == "parley-roster"
    assert spans["store_offline"].parent == spans["route message"].id
    assert spans["route message"].outcome == "stored"


async def test_bounce_is_an_error_and_its_way_back_is_seen(traced, collector):
    romeo = await traced.login(traced.account())
    await romeo.message("nobody@localhost", "who is there?")
    assert condition(await romeo.until(is_message)) == "service-unavailable"
    _, bounced, *_, deliver = await in_thread(collector.way, "deliver message", started_by(session(traced, romeo.jid)))
    assert (bounced.name, bounced.outcome, bounced.error) == ("route message", "bounced", "service-unavailable")
    assert deliver.attributes["parley.stanza.type"] == "error"
    stored = await in_thread(collector.wait, lambda spans: [s for s in spans if s.parent == bounced.id and s.error])
    assert [(span.name, span.error) for span in stored] == [("store_offline", "PROBLEM_NO_ACCOUNT")]


async def test_roster_request_is_followed_to_the_roster_service(traced, collector):
    romeo = await traced.login(traced.account(), available=False)
    await romeo.roster()
    shape = ["receive iq", "route iq", "get_roster", "deliver iq"]
    spans = await in_thread(collector.trace, shape, is_from(session(traced, romeo.jid)))
    assert spans["route iq"].outcome == "answered"
    assert spans["get_roster"].parent == spans["deliver iq"].parent == spans["route iq"].id


async def test_directed_presence_passes_two_homes(traced, collector):
    romeo, juliet = await traced.pair()
    await romeo.presence(to=juliet.jid)
    await juliet.until(lambda e: e.get("from") == romeo.jid)
    way = await in_thread(collector.way, "deliver presence", started_by(session(traced, romeo.jid)))
    assert [span.name for span in way] == ["receive presence", "route presence", "route presence", "deliver presence"]
    assert [span.outcome for span in way] == [None, "forwarded", "delivered", "written"]


async def test_message_for_one_who_is_away_is_seen_as_it_is_queued(traced, collector):
    romeo = await traced.login(traced.account())
    juliet = await managed(traced, traced.account(), 1, resume="true")
    receiver = session(traced, juliet.jid)
    juliet.abort()

    def away():
        return metric(traced, 'parley_c2s_sessions{state="away"}', "c2s-2") > 0

    await in_thread(wait_until, away, 20, "juliet is away")
    await romeo.message(juliet.jid, "for later")
    shape = ["receive message", "route message", "deliver message"]
    spans = await in_thread(collector.trace, shape, is_from(session(traced, romeo.jid)))
    assert spans["deliver message"].outcome == "queued"
    assert spans["deliver message"].attributes["parley.session"] == receiver


async def test_logs_of_all_services_name_the_trace(traced, collector):
    romeo, juliet = await traced.pair()
    await romeo.message(juliet.jid, "hello")
    await bodies(juliet, 1)
    spans = await in_thread(
        collector.trace, ["receive message", "route message", "deliver message"], is_from(session(traced, romeo.jid))
    )
    for span in spans.values():
        log = traced.cluster.directory / "log" / f"{span.instance}.log"
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        (line,) = [line for line in lines if line.get("span_id") == span.id]
        assert (line["event"], line["trace_id"], line["name"]) == ("span", span.trace, span.name)


async def test_logs_of_all_services_name_the_session_and_nothing_private(traced):
    """A client is followed by the id of its session; what it says and how it proves itself is nobody's business."""
    alice, absent = traced.account(), traced.account()
    raw = await traced.login(alice)
    session_id = session(traced, raw.jid)
    await raw.iq("set", "<query xmlns='jabber:iq:roster'><item jid='friend@localhost' name='the-name'/></query>")
    await raw.message(absent, "the-body")
    await raw.presence("<status>the-status</status>")
    await raw.sync()
    await raw.close()

    def lines():
        for log in (traced.cluster.directory / "log").glob("*.log"):
            for line in log.read_text().splitlines():
                yield log.name.split("-")[0], json.loads(line) if line.startswith("{") else {}, line

    def named():
        return {(service, fields["event"]) for service, fields, _ in lines() if fields.get("session") == session_id}

    wanted = {("c2s", "session_bound"), ("c2s", "session_ended"), ("router", "session_bound"), ("router", "stanza")}
    wanted |= {("router", "session_ended"), ("roster", "asked")}
    await in_thread(wait_until, lambda: wanted <= named(), 20, "lines of all services")
    for _, fields, line in lines():
        assert PASSWORD not in line
        if fields.get("level") != "debug":
            assert not any(said in line for said in ("the-body", "the-status", "the-name"))


async def test_nothing_private_is_exported(traced, collector):
    romeo, juliet = await traced.pair()
    await romeo.message(juliet.jid, "a body of its own")
    await bodies(juliet, 1)
    await romeo.message("someone@elsewhere.test", "another body")
    await romeo.until(is_message)
    sender = session(traced, romeo.jid)

    def both(spans):
        mine = [span for span in spans if span.attributes.get("parley.session") == sender]
        return sum(span.name == "receive message" for span in mine) == 2

    await in_thread(collector.wait, both)
    for word in ("user", "@", "body", "someone", romeo.jid.split("/")[1]):
        assert word not in collector.text, word


@pytest.mark.parametrize("mode, outcome", [("failing", "failed"), ("silent", "timeout")])
async def test_ill_collector_harms_nobody_and_is_counted(traced, collector, mode, outcome):
    romeo, juliet = await traced.pair()
    before = spans_lost(traced, outcome)
    collector.mode = mode
    for number in range(50):
        await romeo.message(juliet.jid, str(number))
    assert await bodies(juliet, 50) == [str(number) for number in range(50)]
    await in_thread(wait_until, lambda: spans_lost(traced, outcome) >= before + 50, 20, "lost spans are counted")
    # And when it is well again, traces come again.
    collector.mode = "good"
    mercutio = await traced.login(traced.account())

    def comes(spans):
        return any(span.attributes.get("parley.session") == sender for span in spans)

    sender = session(traced, mercutio.jid)
    await mercutio.message(juliet.jid, "again")
    assert await bodies(juliet, 1) == ["again"]
    await in_thread(collector.wait, comes)


async def test_absent_collector_harms_nobody_not_even_at_the_end(own_cluster):
    settings = [*SAMPLED, "tracing.endpoint=http://127.0.0.1:1", "tracing.max_queue=5", "tracing.batch=2"]
    world = own_cluster(settings=settings)
    romeo, juliet = await world.pair()
    for number in range(50):
        await romeo.message(juliet.jid, str(number))
    assert await bodies(juliet, 50) == [str(number) for number in range(50)]

    def counted():
        return spans_lost(world, "failed") > 0 and spans_lost(world, "failed") + spans_lost(world, "queue_full") >= 50

    await in_thread(wait_until, counted, 20, "lost spans are counted")
    assert await in_thread(world.cluster.stop, "c2s-2"), "it had to be killed"


async def test_nothing_is_traced_by_itself(world):
    romeo, juliet = await world.pair()
    await romeo.message(juliet.jid, "hello")
    await bodies(juliet, 1)
    for instance in world.cluster.instances():
        text = world.cluster.http(instance, "/metrics")[1]
        counts = [line for line in text.splitlines() if line.startswith("parley_tracing_spans_total")]
        assert len(counts) == 5 and all(line.endswith(" 0") for line in counts), counts
