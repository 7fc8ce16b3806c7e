"""What an image's python says of imports reaches the build through the sandbox; a script is that python."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.engines.build import Built
from mlimage.engines.layers import BuiltLayer
from mlimage.errors import BuildError, RunError
from mlimage.host.choose import Choice
from mlimage.host.imports.check import Checked, check_imports
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_ARM64
from mlimage.progress import SILENT
from mlimage.spec.requirements import SpecRequirement
from support.locks import lock
from support.running import small_image
from support.sealing import plan_of

pytestmark = pytest.mark.namespaces

BEGUN = {"event": "begun", "count": 1, "os": {"ID": "debian", "VERSION_CODENAME": "bookworm"}}
FINE = {"event": "imported", "package": "one", "module": "one", "failure": None}
SLOW = {"why": "time", "causes": [], "output": "", "libraries": {}, "packages": {}, "mentioned": []}
WANTED = {
    "one": SpecRequirement(text="one", place="dependencies", path="images/x/mlimage.yaml", line=6, column=5)
}


@dataclass
class Machine:
    """A cache, and a built image whose python prints events; counts how often a place was looked for."""

    folder: Path
    events: Sequence[dict[str, Any]]
    status: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        self.folder.chmod(0o755)
        self.folder.parent.chmod(0o755)
        self.cache = Cache(self.folder / "cache")
        self.cache.root.mkdir(mode=0o755)
        self.store = Store(self.cache.store)
        lines = "\n".join(json.dumps(event) for event in self.events)
        script = (
            f"[ \"$1\" = -c ] || exit 9\necho 'of a module'\ncat <<'END'\n{lines}\nEND\nexit {self.status}"
        )
        self.image = small_image(self.store, programs={"python": script})
        self.plan = plan_of([layer.name for layer in self.image.layers])

    def built(self, *, here: bool = True) -> Built:
        layers = [
            BuiltLayer(layer=planned, key=Digest.of(b""), blob=layer, made=False, here=here)
            for planned, layer in zip(self.plan.layers, self.image.layers, strict=True)
        ]
        return Built(image=self.image, layers=tuple(layers), unrecorded=())

    def place(self) -> Choice:
        self.asked += 1
        return Choice(daemon=None, why="")

    def check(self, built: Built | None = None) -> Checked:
        return check_imports(
            built or self.built(), self.plan, WANTED, lock(),
            place=self.place, store=self.store, cache=self.cache, progress=SILENT,
        )  # fmt: skip


def test_what_went_well_is_not_done_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [BEGUN, FINE])
    assert machine.check() == Checked(packages=1, fresh=True)
    assert machine.check() == Checked(packages=1)
    assert machine.asked == 1
    machine.plan = replace(machine.plan, config=replace(machine.plan.config, env=(("PYTHONPATH", "/x"),)))
    assert machine.check() == Checked(packages=1, fresh=True)


def test_what_failed_is_done_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [BEGUN, {**FINE, "failure": SLOW}])
    for asked in (1, 2):
        checked = machine.check()
        assert [(each.where, each.error) for each in checked.troubles] == [
            ("images/x/mlimage.yaml:6:5", "it did not end in time")
        ]
        assert machine.asked == asked


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [BEGUN, FINE])
    assert machine.check(machine.built(here=False)).unchecked == "some of its layers stayed in the registry"
    built = machine.built()
    elsewhere = replace(built, image=replace(built.image, platform=LINUX_ARM64))
    assert machine.check(elsewhere).unchecked == "it is for linux/arm64, and this is linux/amd64"

    def nowhere() -> Choice:
        raise RunError("no sandbox can be made here")

    machine.place = nowhere  # type: ignore[method-assign]
    assert machine.check().unchecked == "no sandbox can be made here"


def test_a_python_that_does_not_run_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BuildError) as caught:
        Machine(tmp_path, [BEGUN], status=3).check()
    assert (caught.value.message, caught.value.hint) == (
        "the python of `demo:cpu` did not import what the spec depends on: it ended with status 3",
        "its last lines above should say why; `--no-check` leaves it out",
    )
    assert capfd.readouterr().out == ""
