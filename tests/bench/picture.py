"""The benchmark's result as a picture: bars of seconds, ours above the peer's."""

from collections.abc import Mapping
from typing import Any

_WIDTH = 760
_LEFT = 196
_ROOM = 400
_CASES = (
    ("cold", "cold, base included"),
    ("one_wheel_changed", "one small wheel changed"),
    ("unchanged", "nothing changed"),
)


def draw(result: Mapping[str, Any]) -> str:
    """An SVG; readable on light and dark pages."""
    longest = max(result[key]["peer_seconds"] for key, _ in _CASES)
    parts: list[str] = []
    top = 58
    for key, title in _CASES:
        case = result[key]
        parts.append(f'<text x="{_LEFT - 12}" y="{top + 20}" text-anchor="end" class="title">{title}</text>')
        parts += _bar(top, case["seconds"], longest, "ours", "mlimage")
        parts += _bar(top + 22, case["peer_seconds"], longest, "peer", "buildx + uv")
        top += 64
    image = result["image"]
    note = (
        f"{image['layers']} layers, {image['bytes'] / 1e6:.0f} MB: torch (CPU), scikit-learn, pandas, "
        "fastapi; "
        f"wheels on disk, {result['machine']['cores']} cores; medians of runs in turn"
    )
    body = "\n".join(parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 26}" width="{_WIDTH}" role="img" \
aria-label="Build times of mlimage and of docker buildx with uv">
<!-- Written by `make bench`. -->
<style>
text {{ font: 12px system-ui, sans-serif; fill: #57606a; }}
.head {{ font-size: 16px; font-weight: 600; }}
.title {{ font-weight: 600; }}
.ours {{ fill: #2da44e; }}
.peer {{ fill: #8c959f; }}
</style>
<text x="12" y="28" class="head">Seconds to build one image (shorter is better)</text>
{body}
<text x="12" y="{top + 12}">{note}</text>
</svg>
"""


def _bar(top: int, seconds: float, longest: float, kind: str, who: str) -> list[str]:
    width = max(2.0, _ROOM * seconds / longest)
    return [
        f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="18" rx="2" class="{kind}"/>',
        f'<text x="{_LEFT + width + 8:.1f}" y="{top + 14}">{seconds:.2f} s {who}</text>',
    ]
