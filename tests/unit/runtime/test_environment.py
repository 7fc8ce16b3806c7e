from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.runtime.cpu import Cpu
from mlimage.runtime.environment import Facts, environment
from mlimage.runtime.failure import StartError
from mlimage.runtime.pins import THREADS, Host
from mlimage.runtime.roles import Determinism, Role, Roles

CPU = Cpu(
    architecture="x86_64", vendor="GenuineIntel", family="6", model="85", flags=frozenset({"avx2", "fma"}),
    emulated=False,
)  # fmt: skip
NAMES = st.sampled_from(["A", "HOME", "OMP_NUM_THREADS", "MLIMAGE_PORT", "PORT", "AIP_HTTP_PORT"])
ENVIRONMENTS = st.dictionaries(NAMES, st.text(max_size=5), max_size=6)


def roles(
    train: Mapping[str, str] | None = None, image: Mapping[str, str] | None = None, seed: int = 7
) -> Roles:
    return Roles(
        roles={
            "train": Role(command=("t",), env=dict(train or {}), port=None, health=None),
            "serve": Role(command=("s",), env={}, port=8080, health="/ping"),
        },
        data=("events", "old-events"),
        determinism=Determinism(profile="fast", seed=seed),
        env=dict(image or {}),
    )


def facts(
    *,
    threads: int = 4,
    user: str | None = "nonroot",
    home: str | None = "/home/nonroot",
    writable: tuple[str, ...] = ("/home/nonroot", "/tmp"),  # noqa: S108
    folders: tuple[str, ...] = (),
) -> Facts:
    return Facts(
        threads=threads,
        host=Host(cpu=CPU, processors=threads, gpu=False),
        user=user,
        home=home,
        writable=lambda folder: folder in writable,
        exists=lambda folder: folder in folders,
    )


def test_the_whole_environment_of_a_role() -> None:
    assert environment({"PATH": "/usr/bin"}, roles(), "train", facts()) == {
        "HOME": "/home/nonroot",
        "MKL_NUM_THREADS": "4",
        "MLIMAGE_DATA_EVENTS": "/data/events",
        "MLIMAGE_DATA_OLD_EVENTS": "/data/old-events",
        "MLIMAGE_HEALTH_ROUTE": "/ping",
        "MLIMAGE_HOST": "0.0.0.0",  # noqa: S104 - of the container
        "MLIMAGE_MODELS": "/models",
        "MLIMAGE_PORT": "8080",
        "MLIMAGE_PREDICT_ROUTE": "/invocations",
        "MLIMAGE_PROFILE": "fast",
        "MLIMAGE_ROLE": "train",
        "MLIMAGE_SEED": "7",
        "MLIMAGE_TF32": "0",
        "NUMEXPR_NUM_THREADS": "4",
        "NVIDIA_TF32_OVERRIDE": "0",
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_NUM_THREADS": "4",
        "PATH": "/usr/bin",
        "PORT": "8080",
        "PYTHONHASHSEED": "7",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
    }


@pytest.mark.parametrize(
    ("caller", "role", "ports"),
    [
        ({"PORT": "9000"}, {}, ("9000", "9000")),
        ({"MLIMAGE_PORT": "9000"}, {}, ("9000", "9000")),
        ({"MLIMAGE_PORT": "9000", "PORT": "9001"}, {}, ("9000", "9001")),
        ({"PORT": ""}, {}, ("8080", "8080")),
        ({}, {"PORT": "9000"}, ("9000", "9000")),
        ({"MLIMAGE_PORT": "9001"}, {"PORT": "9000"}, ("9001", "9001")),
        ({"AIP_HTTP_PORT": "9000"}, {}, ("9000", "9000")),
        ({"AIP_HTTP_PORT": "9000", "PORT": "9001"}, {}, ("9001", "9001")),
    ],
)
def test_one_port_has_two_names(caller: dict[str, str], role: dict[str, str], ports: tuple[str, str]) -> None:
    found = environment(caller, roles(train=role), "train", facts())
    assert (found["MLIMAGE_PORT"], found["PORT"]) == ports


def test_what_serves_nothing_has_no_port() -> None:
    trains = roles()._replace(roles={"train": roles().roles["train"]})
    assert "PORT" not in environment({}, trains, "train", facts())
    assert environment({"PORT": "1"}, trains, "train", facts())["PORT"] == "1"


def test_the_path_of_predictions() -> None:
    known = roles()
    serve = known.roles["serve"]._replace(predict="/predict")
    named = known._replace(roles={**known.roles, "serve": serve})
    assert environment({}, named, "serve", facts())["MLIMAGE_PREDICT_ROUTE"] == "/predict"


def test_another_command_has_no_role() -> None:
    assert "MLIMAGE_ROLE" not in environment({}, roles(train={"A": "1"}), None, facts())
    assert "A" not in environment({}, roles(train={"A": "1"}), None, facts())


def test_precedence() -> None:
    known = roles(train={"A": "role", "B": "role", "C": "role"}, image={"A": "image", "B": "image"})
    found = environment({"A": "image", "B": "caller", "D": "caller"}, known, "train", facts())
    assert {name: found[name] for name in "ABCD"} == {"A": "role", "B": "caller", "C": "role", "D": "caller"}


@example(caller={}, role={"OMP_NUM_THREADS": "\N{SUPERSCRIPT TWO}"})
@given(caller=ENVIRONMENTS, role=ENVIRONMENTS)
def test_the_caller_is_never_overridden(caller: dict[str, str], role: dict[str, str]) -> None:
    found = environment(caller, roles(train=role), "train", facts(threads=2))
    for name, value in caller.items():
        if name != "HOME" and (value or name not in {*THREADS, "MLIMAGE_PORT", "PORT"}):
            assert found[name] == value


def test_an_empty_variable_undoes_nothing() -> None:
    asked = roles()._replace(determinism=Determinism(profile="strict", seed=7, threads=2))
    found = environment({"MLIMAGE_PROFILE": "", "PYTHONHASHSEED": ""}, asked, "train", facts())
    assert (found["MLIMAGE_PROFILE"], found["PYTHONHASHSEED"]) == ("strict", "7")
    assert found["OMP_NUM_THREADS"] == "2"


def test_python_takes_only_hash_seeds_of_32_bits() -> None:
    found = environment({}, roles(seed=2**32 + 5), "train", facts())
    assert (found["MLIMAGE_SEED"], found["PYTHONHASHSEED"]) == (str(2**32 + 5), "5")


def test_one_thread_count_of_the_caller_counts_for_all_libraries() -> None:
    found = environment({"OMP_NUM_THREADS": "3,1", "MKL_NUM_THREADS": ""}, roles(), "train", facts())
    assert [found[name] for name in THREADS] == ["3,1", "3", "3", "3"]


def test_thread_counts_of_libraries_stay() -> None:
    found = environment({"OPENBLAS_NUM_THREADS": "1"}, roles(), "train", facts())
    assert [found[name] for name in THREADS] == ["4", "1", "4", "4"]


@pytest.mark.parametrize(
    ("home", "writable", "expected"),
    [
        ("/work", ("/work", "/tmp"), "/work"),  # noqa: S108
        ("/", ("/", "/home/nonroot", "/tmp"), "/home/nonroot"),  # noqa: S108
        ("/work", ("/tmp",), "/tmp"),  # noqa: S108
        ("", (), "/"),
        ("/work", (), "/work"),
    ],
)
def test_home(home: str, writable: tuple[str, ...], expected: str) -> None:
    assert environment({"HOME": home}, roles(), None, facts(writable=writable))["HOME"] == expected


def test_a_user_without_a_name_gets_one() -> None:
    nobody = facts(user=None, home=None)
    assert environment({}, roles(), None, nobody)["USER"] == "nonroot"
    assert environment({"USER": "eve"}, roles(), None, nobody)["USER"] == "eve"


def test_vertex() -> None:
    given = {
        "AIP_HTTP_PORT": "9000",
        "AIP_HEALTH_ROUTE": "/h",
        "AIP_PREDICT_ROUTE": "/p",
        "AIP_MODEL_DIR": "gs://bucket/run/model/",
    }
    trained = environment(given, roles(), "train", facts())
    served = environment(given, roles(), "serve", facts())
    assert trained["MLIMAGE_MODELS"] == "/gcs/bucket/run/model"
    assert served["MLIMAGE_MODELS"] == "/models"
    assert [served[f"MLIMAGE_{name}"] for name in ("PORT", "HEALTH_ROUTE", "PREDICT_ROUTE")] == [
        "9000",
        "/h",
        "/p",
    ]


def test_sagemaker() -> None:
    folders = ("/opt/ml/model", "/opt/ml/input", "/opt/ml/input/data/events")
    found = environment({"SAGEMAKER_BIND_TO_PORT": "8081"}, roles(), "train", facts(folders=folders))
    assert found["MLIMAGE_MODELS"] == "/opt/ml/model"
    assert found["MLIMAGE_DATA_EVENTS"] == "/opt/ml/input/data/events"
    assert found["MLIMAGE_DATA_OLD_EVENTS"] == "/data/old-events"
    assert found["MLIMAGE_PORT"] == "8081"


STRICT = roles()._replace(
    determinism=Determinism(profile="strict", seed=7, threads=2, tf32=True, numpy=("SVE",), xla=("--a=1",))
)


def test_strict_is_in_force_whatever_the_image_has_by_default() -> None:
    found = environment({"OMP_NUM_THREADS": "", "XLA_FLAGS": "--a=2"}, STRICT, "train", facts())
    assert [found[name] for name in THREADS] == ["2"] * 4
    assert (found["MLIMAGE_PROFILE"], found["MLIMAGE_TF32"], found["NVIDIA_TF32_OVERRIDE"]) == (
        "strict",
        "0",
        "0",
    )
    assert (found["OPENBLAS_CORETYPE"], found["NPY_DISABLE_CPU_FEATURES"]) == ("Haswell", "SVE")
    assert found["XLA_FLAGS"] == "--a=2 --a=1"


def test_tf32_where_the_spec_asks_for_it() -> None:
    asked = roles()._replace(determinism=Determinism(profile="fast", seed=0, tf32=True))
    found = environment({}, asked, "train", facts())
    assert found["MLIMAGE_TF32"] == "1"
    assert "NVIDIA_TF32_OVERRIDE" not in found


def test_the_caller_starts_a_strict_image_without_its_promise() -> None:
    found = environment({"MLIMAGE_PROFILE": "fast", "MKL_CBWR": "AVX2"}, STRICT, "train", facts(threads=3))
    assert (found["MLIMAGE_PROFILE"], found["MKL_CBWR"], found["OMP_NUM_THREADS"]) == ("fast", "AVX2", "3")
    assert "OPENBLAS_CORETYPE" not in found


def test_the_caller_holds_an_image_to_strict() -> None:
    assert environment({"MLIMAGE_PROFILE": "strict"}, roles(), "train", facts())["MKL_CBWR"] == "COMPATIBLE"


@pytest.mark.parametrize(
    ("given", "known", "message"),
    [
        (
            {"MKL_CBWR": "AVX2"},
            STRICT,
            ("MKL_CBWR=AVX2 undoes the profile `strict`, which has COMPATIBLE; leave it out; "
            "MLIMAGE_PROFILE=fast starts it without that promise"),
        ),
        (
            {},
            STRICT._replace(
                roles={"train": Role(command=("t",), env={"OMP_NUM_THREADS": "8"}, port=None, health=None)}
            ),
            ("OMP_NUM_THREADS=8 undoes the profile `strict`, which has 2; leave it out; "
            "MLIMAGE_PROFILE=fast starts it without that promise"),
        ),
        (
            {},
            STRICT._replace(determinism=STRICT.determinism._replace(threads=64)),
            ("the profile `strict` computes with 64 threads (`determinism.threads`), and this container "
            "has 4 CPUs; give it more, for others would give other numbers; MLIMAGE_PROFILE=fast starts it "
            "without that promise"),
        ),
        (
            {},
            STRICT._replace(determinism=STRICT.determinism._replace(requires="cuda")),
            ("the image requires a GPU (`require: cuda`), and no NVIDIA GPU is in this container; "
            "`docker run --gpus all` gives it those of the machine"),
        ),
        ({"MLIMAGE_SEED": "x1"}, STRICT, "MLIMAGE_SEED=x1 is no whole number"),
    ],
)  # fmt: skip
def test_a_role_that_cannot_hold_what_is_promised(given: dict[str, str], known: Roles, message: str) -> None:
    with pytest.raises(StartError) as caught:
        environment(given, known, "train", facts())
    assert (caught.value.message, caught.value.status) == (message, 78)


def test_a_shell_needs_no_gpu() -> None:
    known = STRICT._replace(determinism=STRICT.determinism._replace(requires="cuda"))
    assert environment({}, known, None, facts())["MLIMAGE_PROFILE"] == "strict"


PLACED = roles()._replace(places={"events": {"cloud": "s3://acme/events"}, "old-events": {"local": "/mnt"}})


def test_places_of_data() -> None:
    assert environment({}, PLACED, "train", facts())["MLIMAGE_DATA_EVENTS"] == "/data/events"
    with pytest.raises(StartError) as caught:
        environment({"MLIMAGE_DATA": "cloud"}, PLACED, "train", facts())
    assert caught.value.message == "the data `old-events` has no place `cloud`; it has `local`"
    given = {"MLIMAGE_DATA": "cloud", "MLIMAGE_DATA_OLD_EVENTS": "/mnt/old"}
    found = environment(given, PLACED, "train", facts())
    assert found["MLIMAGE_DATA_EVENTS"] == "s3://acme/events"
    assert found["MLIMAGE_DATA_OLD_EVENTS"] == "/mnt/old"
