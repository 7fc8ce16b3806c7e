"""Which packages the image of a role has."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.roles import own_packages, packages_of
from mlimage.spec.tags import ROLES, RoleName
from support.locks import lock, package


def wheel(name: str, *by: str) -> LockedPackage:
    return replace(package(name), required_by=by)


def names(locked: Lock, role: RoleName | None) -> list[str]:
    return [each.name for each in packages_of(locked, role)]


SPLIT = lock(
    [
        wheel("anyio", "starlette"),
        wheel("fastapi", "-r serve.dependencies"),
        wheel("joblib", "scikit-learn", "tqdm-joblib"),
        wheel("numpy", "-r dependencies", "scikit-learn"),
        wheel("odd"),
        wheel("scikit-learn", "-r requirements.txt"),
        wheel("starlette", "fastapi"),
        wheel("tqdm", "tqdm-joblib"),
        wheel("tqdm-joblib", "-r train.dependencies"),
    ]
)


def test_a_role_has_what_its_own_and_common_requirements_lead_to() -> None:
    assert names(SPLIT, "train") == ["joblib", "numpy", "odd", "scikit-learn", "tqdm", "tqdm-joblib"]
    assert names(SPLIT, "serve") == [
        "anyio",
        "fastapi",
        "joblib",
        "numpy",
        "odd",
        "scikit-learn",
        "starlette",
    ]
    assert names(SPLIT, None) == [each.name for each in SPLIT.packages]
    assert own_packages(SPLIT, "train").names == {"tqdm", "tqdm-joblib"}
    assert own_packages(SPLIT, "serve").names == {"anyio", "fastapi", "starlette"}
    assert own_packages(SPLIT, "train").most == own_packages(SPLIT, "serve").most == 3


def test_what_both_roles_ask_for_is_shared() -> None:
    both = lock([wheel("uvloop", "-r serve.dependencies", "-r train.dependencies")])
    assert names(both, "train") == names(both, "serve") == ["uvloop"]
    assert own_packages(both, "serve").names == frozenset()


PLACES = ["-r dependencies", "-r variants.cpu.dependencies", "-r train.dependencies", "-r serve.dependencies"]


@st.composite
def graphs(draw: st.DrawFn) -> Lock:
    count = draw(st.integers(0, 12))
    askers = [*PLACES, *(f"p{number:02}" for number in range(count))]
    return lock(
        [
            wheel(f"p{number:02}", *sorted(draw(st.sets(st.sampled_from(askers), max_size=4))))
            for number in range(count)
        ]
    )


@given(graphs())
def test_no_role_lacks_what_its_packages_need(locked: Lock) -> None:
    of = {role: set(names(locked, role)) for role in ROLES}
    assert of["train"] | of["serve"] == {each.name for each in locked.packages}
    for each in locked.packages:
        for asker in each.required_by:
            for role in ROLES:
                if asker in of[role] or asker in {*PLACES[:2], f"-r {role}.dependencies"}:
                    assert each.name in of[role]
    for role in ROLES:
        other = next(one for one in ROLES if one != role)
        assert own_packages(locked, role).names == of[role] - of[other]
