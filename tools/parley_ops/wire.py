"""What adjacent releases have to agree on, as lines of text: the protos that services speak and keep in Redis, and the
migrations of the schema."""

import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

TYPES = descriptor_pb2.FieldDescriptorProto.Type
LABELS = descriptor_pb2.FieldDescriptorProto.Label
DEPRECATED = " (deprecated)"
# Text that is declared as bytes since 0.2.0: the wire is the same as long as it stays UTF-8, which string fields check.
TEXT_AS_BYTES = "field parley.link.v1.Envelope "


def protos(root):
    """One line for each field, value of an enum, and method: what it is, then how it is written."""
    folder = Path(root) / "proto"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "-I", str(folder), f"--descriptor_set_out={out.name}", *files], check=True)
        described = descriptor_pb2.FileDescriptorSet.FromString(Path(out.name).read_bytes())
    return sorted(line for file in described.file for line in _file(file))


def _file(file):
    for message in file.message_type:
        yield from _message(message, file.package)
    for enum in file.enum_type:
        yield from _enum(enum, file.package)
    for service in file.service:
        for method in service.method:
            asks = ("stream " if method.client_streaming else "") + method.input_type
            answers = ("stream " if method.server_streaming else "") + method.output_type
            yield f"rpc {file.package}.{service.name}/{method.name}: {asks} returns {answers}"


def _message(message, parent):
    path = f"{parent}.{message.name}"
    for field in message.field:
        kind = field.type_name or TYPES.Name(field.type).removeprefix("TYPE_").lower()
        many = "repeated " if field.label == LABELS.Value("LABEL_REPEATED") else ""
        within = f" in {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
        old = DEPRECATED if field.options.deprecated else ""
        yield f"field {path} {field.number}: {many}{kind} {field.name}{within}{old}"
    for reserved in message.reserved_range:
        for number in range(reserved.start, reserved.end):
            yield f"field {path} {number}: reserved"
    for nested in message.nested_type:
        yield from _message(nested, path)
    for enum in message.enum_type:
        yield from _enum(enum, path)


def _enum(enum, parent):
    path = f"{parent}.{enum.name}"
    for value in enum.value:
        yield f"enum {path} {value.number}: {value.name}"
    for reserved in enum.reserved_range:
        for number in range(reserved.start, reserved.end + 1):
            yield f"enum {path} {number}: reserved"


def migrations(root):
    """Their SQL, oldest first."""
    return re.findall(r'R"\((.*?)\)"', (Path(root) / "services" / "roster" / "schema.cc").read_text(), re.DOTALL)


def digest(sql):
    return hashlib.sha256(sql.encode()).hexdigest()[:16]


def lines(root):
    """All, as tests/upgrade/wire.txt keeps it of the release before."""
    numbered = [f"migration {number}: {digest(sql)}" for number, sql in enumerate(migrations(root), 1)]
    return protos(root) + numbered


def broken(before, now):
    """Lines of `before` that do not hold any more, with what there is instead. A field that the release before called
    deprecated may be reserved now: it did without. Others may not, since it still writes and reads them."""
    current = dict(line.split(": ", 1) for line in now)
    return [
        f"{line}\n    now: {current.get(key, 'nothing')}"
        for line in before
        for key, how in [line.split(": ", 1)]
        if not _holds(_as_declared_now(key, how), current.get(key, ""))
    ]


def _as_declared_now(key, how):
    return re.sub("^string ", "bytes ", how) if key.startswith(TEXT_AS_BYTES) else how


def _holds(before, now):
    if before == "reserved" or before.endswith(DEPRECATED):
        return now in ("reserved", before)
    return now.removesuffix(DEPRECATED) == before
