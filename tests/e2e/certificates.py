"""Certificates for tests, made by openssl."""

import itertools
import subprocess

_numbers = itertools.count(1)


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A CA of one's own in `directory`."""

    def __init__(self, directory, name="Test CA"):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.file, self.key = directory / "ca.pem", directory / "ca.key"
        _openssl(
            *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj".split(), f"/CN={name}",
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self.key, "-out", self.file),
        )

    def issue(self, common_name, alternative_names, certificate=None, key=None, days=30):
        """Files of a certificate and its key. Names as OpenSSL writes them: "DNS:a.test"."""
        number = next(_numbers)
        certificate = certificate or self.directory / f"{number}.pem"
        key = key or self.directory / f"{number}.key"
        request, extensions = self.directory / f"{number}.csr", self.directory / f"{number}.ext"
        extensions.write_text(
            "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
            + (f"subjectAltName={','.join(alternative_names)}\n" if alternative_names else "")
        )
        _openssl(
            *"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj".split(), f"/CN={common_name}",
            *("-keyout", key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial"),
            *("-days", days, "-extfile", extensions, "-out", certificate),
        )
        return certificate, key

    def issue_client(self, *jids, days=30):
        """For XEP-0178: the addresses are id-on-xmppAddr (RFC 6120 13.7.1.4)."""
        return self.issue("a client", [f"otherName:1.3.6.1.5.5.7.8.5;UTF8:{jid}" for jid in jids], days=days)
