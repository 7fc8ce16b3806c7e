"""What is handed to steps that ask for a secret; its value is never read here, nor written anywhere."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from mlimage.errors import UsageError
from mlimage.plan.model import RunStep

_FROM_ENVIRONMENT = "env:"


def parse_secrets(
    given: Iterable[str], steps: Sequence[RunStep], *, environ: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The secrets as buildx takes them: (name, `src=FILE` or `env=VARIABLE`).

    Args:
        given: `NAME=FILE` or `NAME=env:VARIABLE`, as the user typed them.
        steps: of the image; no other secrets may be given than those that they ask for.
        environ: where variables are.

    Raises:
        UsageError: one is not asked for, or leads nowhere.
    """
    wanted = {name for step in steps for name in step.secrets}
    found: dict[str, str] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not name or not equals or not place:
            raise UsageError(
                f"`--secret {name or text}` says not where the secret is",
                hint=f"`--secret {name or 'NAME'}=FILE`, or `--secret {name or 'NAME'}=env:VARIABLE`",
            )
        if name not in wanted:
            near = get_close_matches(name, wanted, n=1)
            raise UsageError(
                f"no step asks for the secret `{name}`",
                hint=f"did you mean `{near[0]}`?"
                if near
                else f"name it in the spec: `run: [{{command: …, secrets: [{name}]}}]`",
            )
        found[name] = _source(name, place, environ)
    return tuple(sorted(found.items()))


def need_secrets(secrets: Sequence[tuple[str, str]], steps: Sequence[RunStep]) -> None:
    """Steps that are about to run must get all that they ask for; raises `UsageError`."""
    given = {name for name, _ in secrets}
    missing = sorted({name for step in steps for name in step.secrets} - given)
    if missing:
        raise UsageError(
            "a step asks for " + " and ".join(f"the secret `{name}`" for name in missing),
            hint="hand it over: " + " ".join(f"`--secret {name}=FILE`" for name in missing),
        )


def _source(name: str, place: str, environ: Mapping[str, str]) -> str:
    if place.startswith(_FROM_ENVIRONMENT):
        variable = place.removeprefix(_FROM_ENVIRONMENT)
        if variable not in environ:
            raise UsageError(f"the secret `{name}` is in no variable `{variable}`: it is not set")
        return f"env={variable}"
    path = Path(place).expanduser()
    if not path.is_file():
        raise UsageError(f"the secret `{name}` is in no file `{place}`")
    return f"src={path.absolute()}"
