"""Seeds and switches of libraries, set when a program imports them.

`mlimage.pth` in the image's site-packages starts this in every Python of the image: in subprocesses and in
the processes of `multiprocessing` too. It waits for imports and imports nothing itself, for each start would
wait for that. What is set is in `switches`.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False  # what `typing` has by that name; its import would take longer than all that is here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_WORKERS = "multiprocessing.process"
WATCHED = frozenset({"random", "numpy", "numpy.random", "torch", "tensorflow", "jax", _WORKERS})
"""Modules behind whose import something is set."""
_applied: dict[str, dict[str, Any]] = {}


def install() -> None:
    """Watch imports and the end from now on, where this Python descends from the image's entry point."""
    if os.environ.get("MLIMAGE_SEED", "").isdecimal() and not any(
        isinstance(finder, _Watch) for finder in sys.meta_path
    ):
        sys.meta_path.insert(0, _Watch())
        atexit.register(_end)
        for name in sorted(WATCHED & sys.modules.keys()):
            act(name, sys.modules[name])


def _end() -> None:
    """Say what mends an exception that nobody caught."""
    if getattr(sys, "last_value", None) is not None:
        from mlimage.runtime.paths import tell

        tell()


def applied() -> dict[str, dict[str, Any]]:
    """What was set in this process, by module: `{"numpy.random": {"seed": 7}, …}`."""
    return {name: dict(said) for name, said in _applied.items()}


def seed_again(seed: int) -> None:
    """Seed what is imported, and from now on what will be, here and in processes that start from here."""
    from mlimage.runtime import switches

    os.environ[switches.SEED] = str(seed)
    install()
    _note(switches.seed_imported(seed))


def act(name: str, module: ModuleType) -> None:
    """Set what is to be set in a module that was imported.

    Raises:
        RuntimeError: it cannot be set, and the profile is `strict`; in `fast` a line on stderr says so.
    """
    from mlimage.runtime import switches

    if name == _WORKERS:
        _watch_workers(module)
        return
    try:
        _note({name: switches.apply(name, module, os.environ)})
    except Exception as error:
        reason = f"seeds and switches of {name} cannot be set: {type(error).__name__}: {error}"
        if switches.is_strict(os.environ):
            raise RuntimeError(f"the profile `strict` does not hold: {reason}") from error
        _note({name: {"error": reason}})
        sys.stderr.write(f"mlimage: {reason}\n")


def _watch_workers(module: Any) -> None:
    """Seed each worker before it works, however it was started; what is told of forks only knows of those."""
    from mlimage.runtime import switches

    bootstrap = module.BaseProcess._bootstrap  # noqa: SLF001

    def seeded_bootstrap(process: Any, *arguments: Any, **named: Any) -> Any:
        _note(switches.seed_worker(tuple(process._identity)))  # noqa: SLF001
        return bootstrap(process, *arguments, **named)

    module.BaseProcess._bootstrap = seeded_bootstrap  # noqa: SLF001


def _note(found: dict[str, dict[str, Any]]) -> None:
    for name, said in found.items():
        if said:
            _applied.setdefault(name, {}).update(said)


class _Watch:
    """A finder that finds nothing by itself: it asks the others, and acts when what they found is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in WATCHED:
            return None
        for finder in sys.meta_path:
            # As in `importlib`: those of before Python 3.4, as old copies of six have them, are passed over.
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None:
                _Then.follow(spec.loader)
                return spec
        return None


class _Then:
    """Stands in for `exec_module` of one loader, once.

    The loader stays what it is, of its own class, so that nobody who asks for the module's file, source or
    resources sees a difference. A class and no closure, so that a spec can be pickled as ever.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    @classmethod
    def follow(cls, loader: Any) -> None:
        # Loaders that are classes (of built-in and frozen modules) or have no `__dict__` load none of these.
        if hasattr(loader, "__dict__") and not isinstance(loader, type):
            loader.exec_module = cls(loader)

    def __call__(self, module: ModuleType) -> None:
        self._loader.__dict__.pop("exec_module", None)
        self._loader.exec_module(module)
        if module.__name__ in WATCHED:
            act(module.__name__, module)
