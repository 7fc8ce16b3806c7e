"""`mlimage build`, as far as it goes before there is anything to build."""

import pytest

from mlimage.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "oci-archive:-", "--json"), "`--output oci-archive:-` and `--json`"),
        (
            ("-o", "oci-archive:-", "-o", "docker-archive:-"),
            "`--output oci-archive:-` and `--output docker-archive:-`",
        ),
    ],
)
def test_standard_output_takes_one_thing(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(("build", *arguments))
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        f"error: {said} cannot share standard output\nhint: write the image to a file\n",
    )
