"""A whole plan, from a spec and a lock."""

import json
from dataclasses import replace

import pytest

from mlimage.content.runtime import RUNTIME_FORMAT
from mlimage.lock.model import LockedPackage
from mlimage.plan.decide import plan
from mlimage.plan.dockerfile import needs_docker
from mlimage.plan.model import AppLayer, BaseLayer, PackageLayer, RecipeLayer, RuntimeLayer
from mlimage.platforms import LINUX_ARM64
from mlimage.runtime.roles import parse_roles
from mlimage.spec.load import LoadedSpec, parse_spec
from support.locks import for_arm64, image_base, lock, on_image, package

SPEC = b"""\
name: digits
description: Handwritten digits
python: "3.11"
base: {debian: bookworm}
env: {TEAM: vision, MODE: image}
labels: {com.example.team: vision}
user: "1000:100"
train: {command: python train.py, env: {MODE: training}}
serve: {command: [python, serve.py], port: 9000, health: /healthz}
variants: {cpu: {env: {DEVICE: cpu}}}
data: [train-set]
determinism: {profile: strict, seed: 42}
"""


def _loaded(text: bytes = SPEC) -> LoadedSpec:
    return LoadedSpec(
        spec=parse_spec(text, path="images/digits/mlimage.yaml", folder="digits"),
        requirements=(),
        ignore=("*.tmp",),
    )


def test_layers_from_the_bottom() -> None:
    planned = plan(_loaded(), lock([package("scipy"), package("numpy")]))
    assert [type(layer) for layer in planned.layers] == [
        BaseLayer,
        PackageLayer,
        PackageLayer,
        RuntimeLayer,
        RecipeLayer,
        AppLayer,
    ]
    assert [layer.name for layer in planned.layers] == ["base", "numpy", "scipy", "runtime", "recipe", "app"]
    app = planned.layers[-1]
    assert isinstance(app, AppLayer)
    assert (app.source, app.ignore) == ("app", ("*.tmp",))


def test_the_configuration() -> None:
    config = plan(_loaded(), lock()).config
    assert dict(config.env) == {
        "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/app",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "TEAM": "vision",
        "MODE": "image",
        "DEVICE": "cpu",
    }
    assert config.env == tuple(sorted(config.env))
    assert config.entrypoint == ("/opt/venv/bin/python", "-I", "/opt/mlimage/entrypoint.py")
    assert (config.command, config.ports, config.user, config.working_directory) == (
        ("serve",),
        (9000,),
        "1000:100",
        "/app",
    )
    labels = dict(config.labels)
    assert labels["org.opencontainers.image.created"] == "2026-11-01T12:00:00Z"
    assert labels["org.opencontainers.image.description"] == "Handwritten digits"
    assert labels["com.example.team"] == "vision"
    assert (labels["dev.mlimage.variant"], labels["dev.mlimage.profile"]) == ("cpu", "strict")
    assert labels["dev.mlimage.lock"] == lock().digest
    assert labels["dev.mlimage.runtime"] == str(RUNTIME_FORMAT)


def test_what_the_runtime_reads() -> None:
    layer = plan(_loaded(), lock()).layers[-1]
    assert isinstance(layer, AppLayer)
    assert json.loads(layer.roles) == {
        "train": {"command": ["python", "train.py"], "env": {"MODE": "training"}},
        "serve": {"command": ["python", "serve.py"], "env": {}, "port": 9000, "health": "/healthz"},
        "data": ["train-set"],
        "env": {"MODE": "image"},
        "determinism": {"profile": "strict", "seed": 42},
    }


def test_what_the_runtime_reads_of_numbers() -> None:
    said = b"determinism: {threads: 4, cross_vendor: false, tf32: true}\nrequire: cuda\n"
    text = SPEC.replace(b"determinism: {profile: strict, seed: 42}\n", said)
    packages = [package("jaxlib", "0.10.2"), package("numpy", "2.4.6")]
    layer = plan(_loaded(text), lock(packages)).layers[-1]
    assert isinstance(layer, AppLayer)
    assert json.loads(layer.roles)["determinism"] == {
        "profile": "fast",
        "seed": 0,
        "threads": 4,
        "cross_vendor": False,
        "tf32": True,
        "numpy": ["X86_V4", "AVX512_ICL", "AVX512_SPR"],
        "xla": ["--xla_gpu_deterministic_ops=true", "--xla_cpu_max_isa=AVX2"],
    }


def test_what_the_runtime_reads_of_places() -> None:
    said = b"data:\n  train-set: {local: data/train, cloud: 's3://acme/train'}\n  test-set: {}\n"
    layer = plan(_loaded(SPEC.replace(b"data: [train-set]\n", said)), lock()).layers[-1]
    assert isinstance(layer, AppLayer)
    found = json.loads(layer.roles)
    assert found["data"] == ["train-set", "test-set"]
    assert found["places"] == {"train-set": {"local": "data/train", "cloud": "s3://acme/train"}}
    assert parse_roles(layer.roles).places == found["places"]


def test_only_variants_for_it_require_the_hardware() -> None:
    spec = SPEC.replace(b"variants: {cpu: {env: {DEVICE: cpu}}}", b"require: cuda\nvariants: {cuda: {}}")
    layer = plan(_loaded(spec), replace(lock(), variant="cuda")).layers[-1]
    assert isinstance(layer, AppLayer)
    assert json.loads(layer.roles)["determinism"]["requires"] == "cuda"


def test_an_image_that_only_trains_has_no_default_command() -> None:
    text = SPEC.replace(b"serve: {command: [python, serve.py], port: 9000, health: /healthz}\n", b"")
    config = plan(_loaded(text), lock()).config
    assert (config.command, config.ports) == ((), ())


@pytest.mark.parametrize(
    "keys",
    [b"push: {allow_secrets: [/app/key.pem]}", b"audit: {ignore: [{id: CVE-1-1, reason: it is none}]}"],
)
def test_what_is_allowed_does_not_change_the_image(keys: bytes) -> None:
    assert plan(_loaded(SPEC + keys + b"\n"), lock()) == plan(_loaded(), lock())


def test_comments_and_spelling_do_not_change_the_spec_digest() -> None:
    one = dict(plan(_loaded(), lock()).config.labels)["dev.mlimage.spec"]
    text = b"# A comment.\n" + SPEC.replace(b"{debian: bookworm}", b"\n  debian: bookworm")
    other = dict(plan(_loaded(text), lock()).config.labels)["dev.mlimage.spec"]
    assert one == other


def test_a_platform_more_changes_no_image() -> None:
    one = plan(_loaded(), lock([package("numpy")]))
    more = plan(_loaded(SPEC + b"platforms: [linux/arm64, linux/amd64]\n"), lock([package("numpy")]))
    assert more == one


def test_only_what_builders_can_run_has_bytecode() -> None:
    loaded = _loaded(SPEC + b"platforms: [linux/arm64, linux/amd64]\n")
    there = plan(loaded, for_arm64(lock([package("numpy")])))
    assert (there.name, there.platform, there.bytecode) == ("digits:cpu-arm64", LINUX_ARM64, False)
    assert plan(loaded, lock([package("numpy")])).bytecode
    other = plan(_loaded(SPEC + b"bytecode: false\n"), lock([package("numpy")]))
    [here] = [layer for layer in other.layers if isinstance(layer, PackageLayer)]
    assert here in there.layers  # a wheel for any platform is one layer for all


SPLIT = lock(
    [
        replace(package("fastapi"), required_by=("-r serve.dependencies",)),
        replace(package("numpy"), required_by=("-r dependencies",)),
        replace(package("tqdm"), required_by=("-r train.dependencies",)),
    ]
)


def test_an_image_for_each_role() -> None:
    loaded = _loaded(SPEC + b"split: true\n")
    train, serve = plan(loaded, SPLIT, "train"), plan(loaded, SPLIT, "serve")
    assert [layer.name for layer in train.layers] == ["base", "numpy", "tqdm", "runtime", "recipe", "app"]
    assert [layer.name for layer in serve.layers] == ["base", "numpy", "fastapi", "runtime", "recipe", "app"]
    assert train.layers[:2] == serve.layers[:2]
    assert (train.name, serve.name) == ("digits:cpu-train", "digits:cpu-serve")
    assert (train.config.command, serve.config.command) == (("train",), ("serve",))
    assert (train.config.ports, serve.config.ports) == ((), (9000,))
    assert dict(train.config.labels)["dev.mlimage.role"] == "train"
    roles = [
        json.loads(each.layers[-1].roles) for each in (train, serve) if isinstance(each.layers[-1], AppLayer)
    ]
    assert [(each["train"] is None, each["serve"] is None) for each in roles] == [
        (False, True),
        (True, False),
    ]
    assert train.dockerfile.requirements == "lockfiles/digits/cpu-train.txt"
    assert train.dockerfile.command == ("env", "MODE=training", "python", "train.py")


def test_many_packages_of_roles_do_not_make_too_many_layers() -> None:
    def of(place: str, count: int) -> list[LockedPackage]:
        return [
            replace(package(f"{place}-{number}"), required_by=(f"-r {place}",)) for number in range(count)
        ]

    loaded = _loaded(SPEC + b"split: true\n")
    many = lock(
        sorted(
            (*of("dependencies", 100), *of("train.dependencies", 60), *of("serve.dependencies", 3)),
            key=lambda each: each.name,
        )
    )
    train, serve = plan(loaded, many, "train"), plan(loaded, many, "serve")
    layers = [[layer for layer in each.layers if isinstance(layer, PackageLayer)] for each in (train, serve)]
    assert [len(each) for each in layers] == [32, 19]
    assert layers[0][:16] == layers[1][:16]
    assert [each.name for each in layers[0][15:18]] == ["packages-15", "train-00", "train-01"]
    assert len({each.name for each in train.layers}) == len(train.layers)


ON_IMAGE = SPEC.replace(b"{debian: bookworm}", b"{image: 'python:3.11-slim'}")


def test_on_an_image() -> None:
    planned = plan(_loaded(ON_IMAGE), on_image(lock([package("numpy")]), image_base()))
    assert [layer.name for layer in planned.layers] == [
        "base-1",
        "base-2",
        "numpy",
        "runtime",
        "recipe",
        "app",
    ]
    assert needs_docker(planned) == ()
    env = dict(planned.config.env)
    assert env["PATH"] == "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
    assert (env["PYTHON_VERSION"], env["MODE"], env["PYTHONPATH"]) == ("3.11.9", "image", "/app")
    labels = dict(planned.config.labels)
    assert labels["org.opencontainers.image.base.name"] == "python:3.11-slim"
    assert labels["org.opencontainers.image.base.digest"] == image_base().manifest
    assert labels["dev.mlimage.base"] == "image:library/python"


def test_variables_of_an_image_that_would_lead_python_away() -> None:
    env = (("LANG", "de_DE"), ("PORT", "80"), ("PYTHONHOME", "/opt/x"), ("VIRTUAL_ENV", "/venv"))
    config = plan(_loaded(ON_IMAGE), on_image(lock(), replace(image_base(), env=env))).config
    found = dict(config.env)
    assert "PORT" not in found
    assert "PYTHONHOME" not in found
    assert "VIRTUAL_ENV" not in found
    assert found["LANG"] == "C.UTF-8"
    assert found["PATH"] == "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_debs_on_an_image_need_docker() -> None:
    planned = plan(_loaded(ON_IMAGE), on_image(lock(), image_base(debs=["git"])))
    assert [layer.name for layer in planned.layers] == ["base-1", "base-2", "apt", "runtime", "recipe", "app"]
    assert needs_docker(planned) == ("the image that is the base installs `base.packages` with its own dpkg",)


AT = SPEC.replace(
    b"data: [train-set]\n",
    b"data: {rows: {at: data/rows.csv}, users: {local: ~/users, at: users}, more: {cloud: 's3://acme/x'}}\n"
    b"models: {at: ./models}\napp: {source: src/}\n",
)


def test_places_in_the_application() -> None:
    """What is not named is on a laptop where the application has it."""
    planned = plan(_loaded(AT), lock())
    [app] = [layer for layer in planned.layers if isinstance(layer, AppLayer)]
    links = (("data/rows.csv", "/data/rows"), ("models", "/models"), ("users", "/data/users"))
    assert (app.links, app.data, planned.dockerfile.links) == (links, ("rows", "users", "more"), links)
    assert planned.dockerfile.ignore[-4:] == ("*.tmp", "/data/rows.csv", "/models", "/users")
    roles = parse_roles(app.roles)
    assert roles.links == dict(links)
    assert roles.places == {
        "rows": {"local": "src/data/rows.csv"},
        "users": {"local": "~/users"},
        "more": {"cloud": "s3://acme/x"},
    }


def test_an_image_without_such_places_says_nothing_of_them() -> None:
    [app] = [layer for layer in plan(_loaded(), lock()).layers if isinstance(layer, AppLayer)]
    assert json.loads(app.roles).keys() == {"data", "determinism", "env", "serve", "train"}
    assert app.links == ()


def test_packages_are_kept_in_the_order_in_which_the_last_one_wins() -> None:
    entries = "[{packages: [A.a, b], keep: A.a, reason: r}, {packages: [b, c], keep: b, reason: r}]"
    loaded = _loaded(SPEC + f"allow_conflicts: {entries}\n".encode())
    packages = [package(name) for name in ("a-a", "b", "c")]
    planned = plan(loaded, lock(packages))
    assert planned.dockerfile.kept == ("b==1.0", "a-a==1.0")
    layers = {layer.name: layer for layer in planned.layers if isinstance(layer, PackageLayer)}
    assert {name: [each.to.name for each in layer.yields] for name, layer in layers.items()} == {
        "a-a": [],
        "b": ["a-a"],
        "c": ["b"],
    }
    assert [each.keep for each in planned.allowed] == ["a-a", "b"]
    assert plan(loaded, lock(packages[1:])).dockerfile.kept == ("b==1.0",)
