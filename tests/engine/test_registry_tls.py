"""A registry with a certificate of a company's own authority: trusted by who is told to, and by no other."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from mlimage.cache import Cache
from support.certificates import Authority, Certificate
from support.proxy import forward_proxy
from support.registries import OwnRegistry, own_registry
from support.steps import Steps

pytestmark = [pytest.mark.network, pytest.mark.engine]

HOST: Final = "registry.example.com"
VARIABLES: Final = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "own")


@contextmanager
def reached(
    person: Steps, folder: Path, certificate: Certificate, **environ: str
) -> Iterator[tuple[Steps, OwnRegistry]]:
    """The registry under its name, by way of a proxy, and somebody who goes that way."""
    with (
        own_registry(folder / "registry", certificate=certificate) as registry,
        forward_proxy(leads={HOST: registry.port}) as proxy,
    ):
        usual = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "", "PIP_CONFIG_FILE": os.devnull}
        yield person.with_environ(**{**dict.fromkeys(VARIABLES, ""), **usual, **environ}), registry
        assert {target for method, target in proxy.seen if method == "CONNECT"} == {f"{HOST}:443"}


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_authority_that_is_named(
    variable: str, built_steps: Steps, authority: Authority, tmp_path: Path
) -> None:
    trusting = {variable: str(authority.file)}
    with reached(built_steps, tmp_path, authority.certificate(HOST), **trusting) as (person, registry):
        done = person.run("push", "--to", f"{HOST}/team", "--tag", "latest", "--json")
        assert done.returncode == 0, done.stderr
        assert "latest" in registry.tags("team/steps")
        laptop = replace(person, cache=Cache(tmp_path / "laptop"))
        done = laptop.run("pull", f"{HOST}/team/steps:latest", "--json")
        assert done.returncode == 0, done.stderr
        built = json.loads(built_steps.run("inspect", "steps:cpu", "--json").stdout)
        assert json.loads(done.stdout)["digest"] == built["digest"]


def of_nobody_we_know(_: Authority, folder: Path) -> Certificate:
    return Authority(folder / "other").certificate(HOST)


def that_ran_out(authority: Authority, _: Path) -> Certificate:
    return authority.certificate(HOST, days=-1)


def of_another_host(authority: Authority, _: Path) -> Certificate:
    return authority.certificate("other.example.com")


@pytest.mark.parametrize(
    ("one", "reason", "hint"),
    [
        (
            of_nobody_we_know,
            "unable to get local issuer certificate",
            "if your network has its own CA, set REQUESTS_CA_BUNDLE, or `pip config set global.cert FILE`",
        ),
        (
            that_ran_out,
            "certificate has expired",
            "tell who runs it, unless the clock of this machine is wrong",
        ),
        (
            of_another_host,
            f"Hostname mismatch, certificate is not valid for '{HOST}'",
            "is its name right? else tell who runs it",
        ),
    ],
)
def test_a_certificate_that_is_not_trusted(
    one: Callable[[Authority, Path], Certificate],
    reason: str,
    hint: str,
    built_steps: Steps,
    authority: Authority,
    tmp_path: Path,
) -> None:
    certificate, trusting = one(authority, tmp_path), {"REQUESTS_CA_BUNDLE": str(authority.file)}
    with reached(built_steps, tmp_path, certificate, **trusting) as (person, registry):
        done = person.run("pull", f"{HOST}/team/steps:latest")
        assert (done.returncode, done.stdout) == (6, "")
        assert done.stderr == (
            f"error: `https://{HOST}/v2/team/steps/manifests/latest` cannot be fetched: "
            f"the certificate of `{HOST}` is not trusted ({reason})\nhint: {hint}\n"
        )
        done = person.run("push", "--to", f"{HOST}/team")
        first, second = done.stderr.splitlines()
        assert (done.returncode, done.stdout, second) == (6, "", f"hint: {hint}")
        assert first.endswith(f" cannot be sent to: the certificate of `{HOST}` is not trusted ({reason})")
        assert registry.blobs() == {}
