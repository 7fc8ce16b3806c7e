"""Pages for people."""

from pathlib import Path

from mlimage.render.page import page


def test_values_are_text_without_credentials(tmp_path: Path) -> None:
    (tmp_path / "x.j2").write_text(
        "{% for each in rows %}{{ each }};{% endfor %}{{ number }}{{ list | length }}"
    )
    rows = ["<b>", "https://bob:s3same@acme.io/x", "bob@acme.io"]
    assert page("x.j2", {"rows": rows, "number": 1.5, "list": rows}, templates=tmp_path) == (
        "&lt;b&gt;;https://***@acme.io/x;bob@acme.io;1.53"
    )
