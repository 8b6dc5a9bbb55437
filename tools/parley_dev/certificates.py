"""A development CA, and one certificate for all domains of the cluster. Never for production."""

import subprocess
from pathlib import Path

from parley_dev.steps import Failure

DAYS = "825"


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
        request, extensions = directory / "server.csr", directory / "server.ext"
        san = ",".join([f"DNS:{domain}" for domain in domains] + ["IP:127.0.0.1", "IP:::1"])
        extensions.write_text(
            f"subjectAltName={san}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        _openssl(
            *("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split()),
            *("-subj", f"/CN={domains[0]}", "-keyout", str(key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial"),
            *("-days", DAYS, "-extfile", str(extensions), "-out", str(cert)),
        )
        names.write_text(wanted)
    return {"ca": ca, "ca_key": ca_key, "certificate": cert, "key": key}
