"""What `mlimage pull` refuses before it asks anybody."""

import pytest

from mlimage.cli import main


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (
            "churn",
            (
                "`churn` names no registry\nhint: write it as `ghcr.io/acme/churn`; Docker Hub has "
                "it as `docker.io/USER/churn`"
            ),
        ),
        (
            "acme/churn:1",
            (
                "`acme/churn:1` names no registry\nhint: write it as `ghcr.io/acme/churn:1`; Docker Hub has "
                "it as `docker.io/acme/churn:1`"
            ),
        ),
        (
            "ghcr.io/acme/Churn",
            "`ghcr.io/acme/Churn` is no reference to an image\nhint: write it as `ghcr.io/acme/churn:latest`",
        ),
    ],
)
def test_what_is_no_reference(reference: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(("pull", reference))
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {said}\n"
