"""Runs the steps of a workflow as its system would: each job on a machine of its own, line by line."""

import os
import re
import string
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What runs a job, and the repository in it.

    Attributes:
        checkout: the folder of the repository.
        programs: the folder of its python, which is all that it has besides this machine's programs.
        environ: of the machine.
    """

    checkout: Path
    programs: Path
    environ: Mapping[str, str]

    def shell(self, script: str, environ: Mapping[str, str], *, folder: str = ".") -> str:
        """Run a script, which must succeed, as both systems do; gives what it printed."""
        done = subprocess.run(
            ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script),
            cwd=self.checkout / folder,
            env={**self.environ, **environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "CI": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def github_job(
    text: str, name: str, machine: Machine, said: Mapping[str, str], *, variables: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """Run what a job of GitHub runs; `uses` are the machine's affair.

    Args:
        text: the workflow.
        name: of the job.
        machine: runs it.
        said: what each expression is, `matrix.image` for instance.
        variables: that GitHub sets.

    Returns:
        The job's outputs, and all that was printed.
    """
    workflow = yaml.safe_load(text)
    job: dict[str, Any] = workflow["jobs"][name]
    folder = workflow["defaults"]["run"].get("working-directory", ".")
    known = dict(said)
    printed = ""
    for step in job["steps"]:
        if "run" not in step:
            continue
        outputs = machine.checkout.parent / "outputs"
        outputs.write_text("")
        written = {**job.get("env", {}), **step.get("env", {})}
        environ = {key: _evaluated(value, known) for key, value in written.items()}
        printed += machine.shell(
            step["run"], {**variables, **environ, "GITHUB_OUTPUT": str(outputs)}, folder=folder
        )
        for line in outputs.read_text().splitlines():
            key, _, value = line.partition("=")
            known[f"steps.{step['id']}.outputs.{key}"] = value
    return {key: _evaluated(value, known) for key, value in job.get("outputs", {}).items()}, printed


def _evaluated(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], text)


def gitlab_job(text: str, name: str, machine: Machine, *, variables: Mapping[str, str]) -> str:
    """Run what a job of GitLab runs, in one shell; gives what was printed.

    Args:
        text: `.gitlab-ci.yml`.
        name: of the job.
        machine: runs it.
        variables: that GitLab sets, with those of the job's place in a matrix.
    """
    workflow = yaml.safe_load(text)
    own = {key: string.Template(value).substitute(variables) for key, value in workflow["variables"].items()}
    lines = [*workflow["default"]["before_script"], *workflow[name]["script"]]
    return machine.shell("\n".join(lines), {**variables, **own})
