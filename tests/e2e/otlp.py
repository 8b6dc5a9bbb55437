"""A collector of traces as tests need it: OTLP/HTTP with JSON, strict about what the specification demands, and ill on
request. Debian 12 has no real one (no opentelemetry-collector, Jaeger, Tempo or Zipkin)."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TRACE_ID = re.compile(r"^(?!0{32})[0-9a-f]{32}$")
SPAN_ID = re.compile(r"^(?!0{16})[0-9a-f]{16}$")
NANOSECONDS = re.compile(r"^[1-9][0-9]{18}$")


def attributes(encoded):
    assert all(set(each) == {"key", "value"} and set(each["value"]) == {"stringValue"} for each in encoded), encoded
    assert len({each["key"] for each in encoded}) == len(encoded), encoded
    return {each["key"]: each["value"]["stringValue"] for each in encoded}


class Span:
    """One as it came; `service` and `instance` are those of its resource."""

    def __init__(self, resource, encoded):
        known = {"traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano"}
        assert set(encoded) <= known | {"attributes", "status"}, encoded
        self.service = resource["service.name"]
        self.instance = resource["service.instance.id"]
        self.version = resource["service.version"]
        self.trace, self.id, self.parent = encoded["traceId"], encoded["spanId"], encoded.get("parentSpanId")
        self.name = encoded["name"]
        self.attributes = attributes(encoded["attributes"])
        self.outcome = self.attributes.get("parley.outcome")
        status = encoded.get("status", {})
        assert set(status) in (set(), {"code", "message"}) and status.get("code", 2) == 2, status
        self.error = status.get("message")
        assert TRACE_ID.match(self.trace) and SPAN_ID.match(self.id), encoded
        assert self.parent is None or SPAN_ID.match(self.parent), encoded
        assert NANOSECONDS.match(encoded["startTimeUnixNano"]) and NANOSECONDS.match(encoded["endTimeUnixNano"])
        self.start, self.end = int(encoded["startTimeUnixNano"]), int(encoded["endTimeUnixNano"])
        assert self.start <= self.end, encoded

    def __repr__(self):
        return f"<{self.instance} {self.name} {self.outcome} {self.error} {self.parent}->{self.id}>"


class Collector:
    """`mode`: "good", "failing" (503) or "silent" (takes the request, says nothing)."""

    def __init__(self):
        self.mode = "good"
        self.spans = []
        self.problems = []
        self.text = ""  # all that came
        self._changed = threading.Condition()
        self._over = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                collector.take(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        mode = self.mode
        if mode == "silent":
            self._over.wait()
            return
        if mode == "good":
            try:
                assert request.path == "/v1/traces" and request.headers["Content-Type"] == "application/json"
                self.keep(body)
            except Exception as problem:  # pylint: disable=broad-except
                self.problems.append(f"{problem!r}: {body}")
        request.send_response(200 if mode == "good" else 503)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"{}")

    def keep(self, body):
        parsed = json.loads(body)
        assert set(parsed) == {"resourceSpans"}
        spans = []
        for part in parsed["resourceSpans"]:
            resource = attributes(part["resource"]["attributes"])
            for scope in part["scopeSpans"]:
                assert scope["scope"]["name"] == "parley"
                spans += [Span(resource, each) for each in scope["spans"]]
        with self._changed:
            self.spans += spans
            self.text += body
            self._changed.notify_all()

    def wait(self, wanted, seconds=20):
        """What `wanted(spans)` returns as soon as that is true."""
        found = None

        def look():
            nonlocal found
            found = wanted(list(self.spans))
            return found

        with self._changed:
            assert self._changed.wait_for(look, seconds), f"not among {self.spans}; problems: {self.problems}"
        assert not self.problems, self.problems
        return found

    def trace(self, shape, where, seconds=20):
        """The spans of one trace whose names are those of `shape`, as a dictionary, of which `where` is true."""

        def find(spans):
            for trace in {span.trace for span in spans}:
                mine = [span for span in spans if span.trace == trace]
                by_name = {span.name: span for span in mine}
                if sorted(span.name for span in mine) == sorted(shape) and where(by_name):
                    return by_name
            return None

        return self.wait(find, seconds)

    def way(self, last, where, seconds=20):
        """The spans from the root of a trace, of which `where` is true, to one with the name `last`."""

        def find(spans):
            for span in spans:
                chain = [span]
                while parents := [each for each in spans if each.trace == span.trace and each.id == chain[0].parent]:
                    chain[:0] = parents
                if span.name == last and chain[0].parent is None and where(chain[0]):
                    return chain
            return None

        return self.wait(find, seconds)

    def close(self):
        self._over.set()
        self.server.shutdown()
        self.server.server_close()
