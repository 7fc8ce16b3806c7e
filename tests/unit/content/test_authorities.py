"""The bundle of certificate authorities, and the links by which OpenSSL finds them."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from mlimage.content.authorities import certificates, subject_hash
from mlimage.content.entry import Entry
from mlimage.content.unpack import write_entries
from mlimage.errors import BuildError

OPENSSL = shutil.which("openssl") or ""
SUBJECTS = (
    "/C=DE/O=Sample  Trust   Ltd/CN= Sample ROOT Ca ",
    "/CN=only",
    "/C=FR/O=Société Générale d'Été/OU=ÀÉÎ/CN=Autorité",
    "/C=US/O=A+OU=B/CN=multi",
    "/DC=com/DC=example/emailAddress=Root@Example.com/CN=ia5",
    "/CN=" + "x" * 60 + "/O=" + "y" * 60 + "/OU=" + "z" * 60,
)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Certificates of these subjects, by the openssl of this machine."""
    assert OPENSSL, "install openssl"
    folder = tmp_path_factory.mktemp("certificates")
    made = []
    for number, subject in enumerate(SUBJECTS):
        command = (OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        options = (
            "-utf8",
            "-multivalue-rdn",
            "-subj",
            subject,
            "-keyout",
            "/dev/null",
            "-out",
            f"{number}.crt",
        )
        subprocess.run((*command, *options), cwd=folder, capture_output=True, check=True)
        made.append((folder / f"{number}.crt").read_bytes())
    return made


def test_the_hash_is_that_of_openssl(authorities: list[bytes]) -> None:
    for pem in authorities:
        done = subprocess.run(
            (OPENSSL, "x509", "-noout", "-subject_hash"), input=pem, capture_output=True, check=True
        )
        assert subject_hash(pem) == done.stdout.decode().strip()


def test_openssl_finds_the_authorities_by_the_links(authorities: list[bytes], tmp_path: Path) -> None:
    files = [(f"mozilla/CA_{number}.crt", pem) for number, pem in enumerate(authorities)]
    folder = tmp_path / "etc/ssl/certs"
    folder.mkdir(parents=True)
    for path, pem in files:
        source = tmp_path / "usr/share/ca-certificates" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(pem)
    entries = list(certificates(files, origin="ca-certificates 1"))
    write_entries(entries, tmp_path)
    for link in folder.iterdir():
        if link.is_symlink() and link.readlink().is_absolute():
            target = tmp_path / link.readlink().relative_to("/")
            link.unlink()
            link.symlink_to(target)
    for number in range(len(files)):
        source = tmp_path / f"usr/share/ca-certificates/mozilla/CA_{number}.crt"
        command = (OPENSSL, "verify", "-no-CAfile", "-CApath", str(folder), str(source))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout == f"{source}: OK\n", done.stderr
    context = ssl.create_default_context(cafile=str(folder / "ca-certificates.crt"))
    assert len(context.get_ca_certs()) == len(files)


def test_the_bundle_is_in_order_and_every_certificate_ends_with_a_newline(authorities: list[bytes]) -> None:
    one, two = (pem.rstrip(b"\n") for pem in authorities[:2])
    entries = {
        entry.path: entry
        for entry in certificates([("b/Two (2), x.crt", two), ("a/One.crt", one)], origin="ca-certificates 1")
    }
    texts = {path: _content(entry) for path, entry in entries.items() if entry.open}
    assert texts == {
        "etc/ssl/certs/ca-certificates.crt": one + b"\n" + two + b"\n",
        "etc/ca-certificates.conf": b"a/One.crt\nb/Two (2), x.crt\n",
    }
    assert {path: entry.target for path, entry in entries.items() if entry.target} == {
        "etc/ssl/certs/One.pem": "/usr/share/ca-certificates/a/One.crt",
        "etc/ssl/certs/Two_=2=__x.pem": "/usr/share/ca-certificates/b/Two (2), x.crt",
        f"etc/ssl/certs/{subject_hash(one)}.0": "One.pem",
        f"etc/ssl/certs/{subject_hash(two)}.0": "Two_=2=__x.pem",
    }


def test_two_certificates_of_one_subject(authorities: list[bytes]) -> None:
    pem = authorities[0]
    entries = list(certificates([("a.crt", pem), ("b.crt", pem)], origin="x"))
    found = [
        (Path(entry.path).suffix, entry.target) for entry in entries if entry.target in ("a.pem", "b.pem")
    ]
    assert found == [(".0", "a.pem"), (".1", "b.pem")]


BAD = {
    "empty": b"",
    "no base64": b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
    "no DER": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "no subject": b"-----BEGIN CERTIFICATE-----\nMAQwAjAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_certificate(case: str) -> None:
    with pytest.raises(BuildError) as caught:
        list(certificates([("mozilla/x.crt", BAD[case])], origin="ca-certificates 1"))
    message = "`/usr/share/ca-certificates/mozilla/x.crt` of `ca-certificates 1` is no certificate"
    assert str(caught.value) == message


def _content(entry: Entry) -> bytes:
    assert entry.open is not None
    with entry.open() as stream:
        return stream.read()
