"""A development CA, and one certificate for all domains of the cluster. Never for production."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from parley_dev.steps import Failure

DAYS = "825"
# Who has a certificate for the links: services, and operators (docs/secure.md).
ROLES = ["c2s", "router", "roster", "admin", "viewer"]


def _openssl(*arguments):
    ran = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failure(f"openssl {arguments[0]} failed: {ran.stderr}")


def ensure(directory, domains):
    """Makes what is missing; a new domain makes a new certificate under the same CA. Returns their paths."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    cert, key, names = directory / "server.pem", directory / "server.key", directory / "domains"
    if not ca.exists():
        _openssl(
            *("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days".split()), DAYS,
            *("-subj", "/CN=Parley development CA", "-keyout", str(ca_key), "-out", str(ca)),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
    wanted = "\n".join(domains)
    if not cert.exists() or not names.exists() or names.read_text() != wanted:
        _issue(directory, domains[0], [f"DNS:{domain}" for domain in domains] + ["IP:127.0.0.1", "IP:::1"], cert, key)
        names.write_text(wanted)
    return {"ca": ca, "ca_key": ca_key, "certificate": cert, "key": key, "ticket_keys": _ensure_ticket_keys(directory)}


def _ensure_ticket_keys(directory):
    """One for all edges: a TLS session that one made is resumed by the others."""
    file = directory / "tickets.key"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secrets.token_bytes(80))
    return file


def _issue(directory, common_name, alternative_names, certificate, key):
    request, extensions = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
    extensions.write_text(
        f"subjectAltName={','.join(alternative_names)}\nbasicConstraints=CA:FALSE\n"
        "extendedKeyUsage=serverAuth,clientAuth\n"
    )
    _openssl(
        *("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split()),
        *("-subj", f"/CN={common_name}", "-keyout", str(key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(directory / "ca.pem"), "-CAkey", str(directory / "ca.key")),
        *("-CAcreateserial", "-days", DAYS, "-extfile", str(extensions), "-out", str(certificate)),
    )


def ensure_roles(directory, domain="parley.internal"):
    """For mutual TLS: a folder for each role with tls.crt, tls.key and ca.crt, under the CA that ensure() made."""
    directory = Path(directory)
    for role in ROLES:
        folder = directory / "roles" / role
        if (folder / "ca.crt").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        _issue(directory, f"{role} of development", [f"DNS:{role}.{domain}"], folder / "tls.crt", folder / "tls.key")
        shutil.copy(directory / "ca.pem", folder / "ca.crt")
    return directory / "roles"
