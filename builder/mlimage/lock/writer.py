"""Writes a lock as text; a lock has exactly one. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mlimage.digest import Digest
from mlimage.lock.model import AssembledBase, Deb, ImageBase, ImageLayer, Lock, LockedPackage, Wanted
from mlimage.lock.roles import packages_of
from mlimage.lock.toml import joined, table
from mlimage.spec.tags import ROLES, ImageTag

FORMAT: Final = 1
"""Counted up when a file could no longer be read by an older mlimage, or means something else."""


def base_file(tag: ImageTag) -> str:
    """Name of the file with the base of a lock: all variants of a platform have one."""
    return f"{replace(tag, variant='base')}.toml"


def render_lock(lock: Lock) -> Mapping[str, str]:
    """The files of the lock: name and text, in the order in which they must be written."""
    base = _render_base(lock)
    roles = ROLES if lock.wanted.split else (None,)
    tags = [replace(lock.tag, role=role) for role in roles]
    return {
        base_file(lock.tag): base,
        **{requirements_file(tag): render_requirements(lock, tag) for tag in tags},
        f"{lock.tag}.toml": _render_variant(lock, Digest.of(base.encode())),
    }


def requirements_file(tag: ImageTag) -> str:
    """Name of the file that pip reads for an image."""
    return f"{tag}.txt"


def render_requirements(lock: Lock, tag: ImageTag) -> str:
    """What pip reads with `--require-hashes`: each package with the digests of all that fits the target."""
    header = (
        f"# {lock.image}:{tag} for {lock.base.platform}, python {lock.base.python}\n"
        f"# To write it anew: mlimage lock {lock.image}\n"
        f"# inputs: {lock.inputs}\n"
    )
    return header + "".join(hashed(package) for package in packages_of(lock, tag.role))


def hashed(package: LockedPackage) -> str:
    """A package as pip reads it with `--require-hashes`."""
    hashes = " \\\n".join(f"    --hash={digest}" for digest in package.hashes)
    via = f"    # via {', '.join(package.required_by)}\n" if package.required_by else ""
    return f"{package.name}=={package.version} \\\n{hashes}\n{via}"


def _header(lock: Lock, what: str) -> str:
    return (
        f"# {what}, locked by mlimage; not edited by hand.\n"
        f"# To write it anew: mlimage lock {lock.image}\n"
        f"format = {FORMAT}\n"
    )


def _render_base(lock: Lock) -> str:
    header = _header(lock, f"The base of {lock.image}")
    match lock.base:
        case AssembledBase() as base:
            head = table(
                "",
                {
                    "suite": base.suite,
                    "platform": str(base.platform),
                    "python": base.python,
                    "packages": base.packages,
                },
            )
            return joined([header + head, *map(_render_deb, base.debs)])
        case ImageBase() as base:
            blocks = [*map(_render_layer, base.layers), *map(_render_deb, base.debs)]
            return joined([header + _render_image(base), *blocks])


def _render_image(base: ImageBase) -> str:
    head = table(
        "",
        {
            "repository": base.repository,
            "reference": base.reference,
            "index": base.index,
            "manifest": base.manifest,
            "config": base.config,
            "platform": str(base.platform),
            "python": base.python,
            "packages": base.packages,
            "env": tuple(f"{name}={value}" for name, value in base.env),
        },
    )
    installation = table(
        "[installation]",
        {
            "version": base.installation.version,
            "program": base.installation.program,
            "glibc": base.installation.glibc,
            "library": base.installation.library,
            "bytecode": base.installation.bytecode,
        },
    )
    return joined([head, installation])


def _render_layer(layer: ImageLayer) -> str:
    return table(
        "[[layer]]",
        {
            "media_type": layer.media_type,
            "digest": layer.digest,
            "size": layer.size,
            "diff_id": layer.diff_id,
        },
    )


def _render_deb(deb: Deb) -> str:
    values: dict[str, str | int] = {
        "name": deb.name,
        "version": deb.version,
        "architecture": deb.architecture,
        "archive": deb.archive,
        "path": deb.path,
        "size": deb.size,
        "sha256": deb.sha256,
    }
    if deb.postinst is not None:
        values["postinst"] = deb.postinst
    return table("[[deb]]", values)


def _render_variant(lock: Lock, base: Digest) -> str:
    wanted = lock.wanted
    head = table(
        "",
        {
            "image": lock.image,
            "variant": lock.variant,
            "inputs": lock.inputs,
            "as_of": lock.as_of,
            "base": base,
        },
    )
    asked = [
        table(
            "[wanted]",
            {
                "python": wanted.python,
                "platform": str(wanted.platform),
                **({} if wanted.suite is None else {"suite": wanted.suite}),
                "packages": wanted.packages,
                "requirements": wanted.requirements,
                **({"split": True} if wanted.split else {}),
            },
        ),
        *_render_wanted_image(wanted),
    ]
    indexes = [
        table("[[wanted.index]]", {"name": index.name, "url": index.url, "packages": index.packages})
        for index in wanted.indexes
    ]
    tools = table("[tools]", dict(lock.tools))
    packages = [_render_package(package) for package in lock.packages]
    return joined(
        [
            _header(lock, f"The packages of {lock.name}") + head,
            tools,
            *asked,
            *indexes,
            *packages,
        ]
    )


def _render_wanted_image(wanted: Wanted) -> list[str]:
    image = wanted.image
    return [table("[wanted.image]", {"reference": image.reference, "name": image.name})] if image else []


def _render_package(package: LockedPackage) -> str:
    values: dict[str, str | int | tuple[str, ...]] = {
        "name": package.name,
        "version": str(package.version),
        "index": package.index,
        "file": package.file,
        "size": package.size,
        "sha256": package.sha256,
    }
    others = tuple(digest for digest in package.hashes if digest != package.sha256)
    if others:
        values["other_files"] = others
    if package.license:
        values["license"] = package.license
    values["required_by"] = package.required_by
    return table("[[package]]", values)
