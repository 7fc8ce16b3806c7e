"""What all specs of one run have in common, so that no server is asked the same thing twice."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from mlimage.content.interpreter import Interpreter, Target
from mlimage.fetch import Http, Keyring
from mlimage.lock.model import AssembledBase
from mlimage.lock.projects import Projects
from mlimage.mirrors import load_mirrors
from mlimage.process import Runner
from mlimage.progress import Progress


class Shared:
    """Opens nothing before something is asked of it.

    Attributes:
        http: fetches.
        mirrors: where indexes and archives are.
        projects: pages of package indexes.
        bases: those that apt resolved in this run: who wants the same gets the same.
        targets: pythons of unpacked bases that were asked what they are, and their answers.
    """

    def __init__(self, *, environ: Mapping[str, str], progress: Progress) -> None:
        self.http = Http(environ=environ, keyring=Keyring(environ))
        self.mirrors = load_mirrors(environ)
        self.projects = Projects(self.http, progress)
        self.bases: list[AssembledBase] = []
        self.targets: dict[Interpreter, Target] = {}

    def target(self, interpreter: Interpreter, run: Runner) -> Target:
        """What a python is; raises as `Interpreter.describe` does."""
        if interpreter not in self.targets:
            self.targets[interpreter] = interpreter.describe(run)
        return self.targets[interpreter]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()
