"""Whole workflows out, which the systems' own schemas take."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mlimage import resources
from mlimage.lock.itself import REQUIREMENTS
from mlimage.render.workflows import Setup, System, workflow
from mlimage.spec.load import parse_spec
from mlimage.spec.model import ImageSpec
from support.golden import GOLDEN
from support.machine import ROOT

TEMPLATES: Final = resources.templates() / "ci"
SCHEMA: Final[dict[System, tuple[str, ...]]] = {
    "github": ("vendor.github-workflows",),
    "gitlab": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
CHECKER: Final = Path(sys.executable).with_name("check-jsonschema")
SYSTEMS = pytest.mark.parametrize("system", ["github", "gitlab"])


def spec(name: str, *more: str) -> ImageSpec:
    lines = [
        f"name: {json.dumps(name)}",
        'python: "3.11"',
        "base: {debian: bookworm}",
        "train: {command: x}",
        *more,
    ]
    return parse_spec("\n".join(lines).encode(), path="x", folder=name)


PLAIN: Final = [spec("churn")]
RICH: Final = [
    spec("churn", "variants: {cpu: {}, cuda: {}}", "run: [make]"),
    spec("digits", "variants: {cpu: {}, rocm: {}}"),
    spec("1.0", "run: [make]"),
]


def written(system: System, specs: Sequence[ImageSpec], folder: str = ".", *, archive: bool = False) -> str:
    setup = Setup(python="3.13", archive=archive)
    return workflow(system, specs, folder=Path(folder), setup=setup, templates=TEMPLATES)


@SYSTEMS
@pytest.mark.parametrize(("case", "specs", "folder"), [("plain", PLAIN, "."), ("rich", RICH, "it's/a b")])
def test_written(
    case: str,
    specs: Sequence[ImageSpec],
    folder: str,
    system: System,
    golden: Callable[[str, bytes | str], None],
) -> None:
    text = written(system, specs, folder, archive=case == "rich")
    golden(f"workflows/{system}-{case}.yml", text)


@SYSTEMS
@pytest.mark.parametrize("case", ["plain", "rich"])
def test_the_system_takes_it(system: System, case: str) -> None:
    done = subprocess.run(
        (CHECKER, "--builtin-schema", *SCHEMA[system], GOLDEN / f"workflows/{system}-{case}.yml"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ok -- validation done\n"), done.stdout + done.stderr


def test_github_gets_no_more_than_it_needs() -> None:
    text = written("github", RICH)
    found = yaml.safe_load(text)
    jobs: dict[str, Any] = found["jobs"]
    assert found["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in jobs.items()} == {
        "check": None,
        "build": {"contents": "read", "packages": "write"},
        "push": {"contents": "read", "packages": "write"},
    }
    assert jobs["push"]["if"] == "github.event_name == 'push'"
    steps = [step for job in jobs.values() for step in job["steps"]]
    actions = {step["uses"] for step in steps if "uses" in step}
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in actions)
    # What others wrote, and tokens, come to a shell as variables alone.
    assert not [step for step in steps if "${{" in step.get("run", "")]
    assert all(
        not step["with"]["persist-credentials"] for step in steps if "checkout" in step.get("uses", "")
    )


def test_gitlab_shows_its_password_to_no_command() -> None:
    found = yaml.safe_load(written("gitlab", RICH))
    lines = [*found["default"]["before_script"]]
    lines += [line for job in ("check", "build", "push") for line in found[job]["script"]]
    [login] = [line for line in lines if "PASSWORD" in line]
    assert login.startswith("printf ")  # the shell's own
    assert found["push"]["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]


def test_the_projects_own_workflow_is_what_users_get() -> None:
    """But for mlimage itself, which is that of the checkout, and for pushes, of which there are none."""
    ours = yaml.safe_load((ROOT / ".github/workflows/images.yml").read_text())
    theirs = yaml.safe_load(written("github", PLAIN).replace(f"--require-hashes -r {REQUIREMENTS}", "."))
    build = theirs["jobs"]["build"]
    del build["permissions"], build["env"], theirs["jobs"]["push"]
    del theirs["jobs"]["check"]["outputs"]["registry"]
    steps = theirs["jobs"]["check"]["steps"]
    steps[-1]["run"] = "".join(steps[-1]["run"].splitlines(keepends=True)[:-1])
    steps[-1]["name"] = "what there is to build"
    assert ours == theirs
