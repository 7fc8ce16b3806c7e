"""What OSV and Debian's security tracker answer, in their shapes, put on a web server of the tests."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlimage.audit.model import Subject
from support.webserver import WebServer


def python(name: str, version: str) -> Subject:
    return Subject(ecosystem="python", name=name, version=version)


def debian(name: str, version: str, suite: str = "bookworm") -> Subject:
    return Subject(ecosystem="debian", name=name, version=version, suite=suite)


def advisory(
    name: str,
    package: str,
    *,
    fixed: Iterable[str] = (),
    aliases: Sequence[str] = (),
    severity: str | None = None,
    withdrawn: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An advisory as `/v1/vulns/ID` gives it, https://ossf.github.io/osv-schema/."""
    events = [{"introduced": "0"}, *({"fixed": version} for version in fixed)]
    return {
        "schema_version": "1.7.3",
        "id": name,
        "modified": "2026-03-02T04:11:54.271000Z",
        "published": "2026-03-01T00:00:00Z",
        "summary": f"{package} does too much",
        "aliases": list(aliases),
        "affected": [
            {
                "package": {"name": package, "ecosystem": "PyPI", "purl": f"pkg:pypi/{package.lower()}"},
                "ranges": [
                    {
                        "type": "GIT",
                        "repo": f"https://example.com/{package}",
                        "events": [{"introduced": "0"}, {"fixed": "0f1e2d3c4b5a"}],
                    },
                    {"type": "ECOSYSTEM", "events": events},
                ],
                "versions": ["0.1", "0.2"],
                "database_specific": {"source": "https://example.com/advisories"},
            }
        ],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
        **({"withdrawn": withdrawn} if withdrawn else {}),
        **({"database_specific": {"severity": severity, "cwe_ids": ["CWE-79"]}} if severity else {}),
        **more,
    }


def tell_osv(
    web: WebServer, subjects: Iterable[Subject], known: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Let the server answer as OSV: of which package, by name, which advisories are known."""
    results: list[dict[str, Any]] = []
    for subject in sorted(subjects):
        documents = known.get(subject.name, ())
        results.append(
            {"vulns": [{"id": each["id"], "modified": each["modified"]} for each in documents]}
            if documents
            else {}
        )
        for each in documents:
            web.files[f"/v1/vulns/{each['id']}"] = json.dumps(each).encode()
    web.files["/v1/querybatch"] = json.dumps({"results": results}).encode()


def release(
    status: str = "resolved", fixed: str | None = None, urgency: str = "not yet assigned"
) -> dict[str, Any]:
    """What the tracker says of a vulnerability in a suite."""
    return {
        "status": status,
        "repositories": {"bookworm": "1.0-1", "bookworm-security": "1.0-1"},
        **({"fixed_version": fixed} if fixed is not None else {}),
        "urgency": urgency,
        **({"nodsa": "Minor issue", "nodsa_reason": ""} if status == "open" else {}),
    }


def tracked(**known: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The tracker's document: by source (`_` for `-`), by id, by suite. Both suites are in it anyhow."""
    sources: dict[str, Mapping[str, Mapping[str, Any]]] = {
        "zlib": {"CVE-2018-25032": {"bookworm": release(fixed="0"), "trixie": release(fixed="0")}}
    }
    sources |= {source.replace("_", "-"): ids for source, ids in known.items()}
    return json.dumps(
        {
            source: {
                name: {
                    "description": f"{source} does too much ...",
                    "debianbug": 1018005,
                    "scope": "remote",
                    "releases": {**suites, "sid": release(fixed="9"), "bullseye": release("open")},
                }
                for name, suites in ids.items()
            }
            for source, ids in sources.items()
        }
    ).encode()
