"""`mlimage sbom`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    RoleOption,
    VariantOption,
    VerboseOption,
    narrower,
)
from mlimage.errors import UsageError


def sbom(
    names: NamesArgument = None,
    *,
    format: Annotated[
        Literal["cyclonedx", "spdx"],
        typer.Option("--format", metavar="cyclonedx|spdx", help="CycloneDX 1.6 or SPDX 2.3, both as JSON."),
    ] = "cyclonedx",
    variant: VariantOption = None,
    platform: PlatformOption = None,
    role: RoleOption = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Print what an image is made of: every wheel and Debian package with its digest, and wheels' licences.

    It is read from the lock, offline and before anything is built. The application's own files and what
    `run:` steps bring are not in it. `mlimage push` attaches the same SBOMs to the image.

    Examples:
      mlimage sbom churn --variant cpu > churn.cdx.json
      mlimage sbom churn --variant cuda --format spdx > churn.spdx.json
      mlimage sbom churn --variant cpu | grype                  known vulnerabilities
    """
    del as_json, verbose  # it is JSON anyway, and there is no more to say
    from mlimage.cli.screen import Screen
    from mlimage.lock.check import check
    from mlimage.lock.text import read_lock
    from mlimage.release.sbom import sbom as written
    from mlimage.spec.project import find_project

    found = find_project(project)
    chosen = found.select(names or (), variant=variant, platform=platform, role=role)
    if len(chosen) > 1:
        raise UsageError(
            f"an SBOM is of one image, not of {len(chosen)}", hint=narrower([tag for _, tag in chosen])
        )
    [(loaded, tag)] = chosen
    lock = read_lock(found.lock_folder(loaded.spec.name), tag.of_lock)
    check(loaded, lock)
    Screen().say(written(lock, tag, format).decode().rstrip("\n"))
