"""How two images differ, in words: for people, and for the tests that promise equal bytes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from mlimage.oci.untar import MemberKind
from mlimage.verify.diff.model import (
    ByteDifference,
    ConfigChange,
    FileChange,
    FileFacts,
    ImageDiff,
    LayerChange,
)

HISTORY: Final = "history"
"""Key of what an image says that its layers are; all of it counts as one value."""
REASONS: Final = {
    "entries": "other entries",
    "order": "equal entries in another order",
    "headers": "equal entries, other tar headers",
}
"""Why a layer is not equal to the one that it stands for."""
_FOLDER: Final = MemberKind.DIRECTORY.value
_ROW: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A line about files: one that differs, or a folder that is there in one image only, with all in it.

    Attributes:
        mark: `+` added, `-` removed, `~` changed.
        path: from the root.
        layer: name of the layer that it is in; of the new image, if it is there.
        what: how it differs.
    """

    mark: str
    path: str
    layer: str
    what: str


def explain(diff: ImageDiff, *, limit: int = 200) -> str:
    """The differences, one a line, the summary first; for the messages of tests.

    Args:
        diff: how they differ.
        limit: lines, at most; one more says how many there are.
    """
    lines = [summary(diff)]
    if diff.old.platform != diff.new.platform:
        lines.append(f"platform: {diff.old.platform} -> {diff.new.platform}")
    lines.extend(
        f"{config_name(value)}: {config_text(value.old)} -> {config_text(value.new)}" for value in diff.config
    )
    for package in diff.packages:
        old, new = (", ".join(versions) or "none" for versions in (package.old, package.new))
        lines.append(f"{package.type} package {package.name}: {old} -> {new}")
    lines.extend(f"layer {layer_name(layer)}: {layer_text(layer)}" for layer in changed_layers(diff))
    for change in diff.files:
        facts = change.new or change.old
        status = "added, " if change.old is None else "removed, " if change.new is None else ""
        lines.append(f"{change.path} (layer {facts.layer if facts else ''}): {status}{file_text(change)}")
        if change.bytes is not None:
            lines.extend(f"  {line}" for line in dump(change.bytes))
    if len(lines) > limit:
        lines[limit:] = [f"… and {len(lines) - limit:,} lines more"]
    return "\n".join(map(one_line, lines))


def summary(diff: ImageDiff) -> str:
    """One line: `identical: …`, or `different: …` and what."""
    if diff.identical:
        packed = diff.old.digest and diff.new.digest and diff.old.digest != diff.new.digest
        return f"identical: both are {diff.new.image_id}" + (", packed in two ways" if packed else "")
    counts = (
        (diff.old.platform != diff.new.platform, "platform"),
        (
            len({value.key if value.key == HISTORY else (value.key, value.name) for value in diff.config}),
            "value of the configuration",
            "values of the configuration",
        ),
        (len(diff.packages), "package"),
        (len(changed_layers(diff)), "layer"),
        (len(diff.files), "file"),
    )
    found = [
        f"{count:,} {names[0] if count == 1 else names[-1] if len(names) > 1 else names[0] + 's'}"
        for count, *names in counts
        if count
    ]
    return "different: " + (", ".join(found) or "only in how the configuration is written")


def changed_layers(diff: ImageDiff) -> tuple[LayerChange, ...]:
    """The layers that are not the same."""
    return tuple(layer for layer in diff.layers if layer.status != "same")


def layer_name(layer: LayerChange) -> str:
    """The name of a layer, the new one if there is one."""
    facts = layer.new or layer.old
    return facts.name if facts else ""


def layer_text(layer: LayerChange) -> str:
    """How a layer differs."""
    return REASONS[layer.reason] if layer.reason else layer.status


def config_name(value: ConfigChange) -> str:
    """How a value of the configuration is called."""
    return one_line(f"{value.key} {value.name}".rstrip(" "))


def config_text(value: Any) -> str:
    """A value of the configuration in one line."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return one_line(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def one_line(text: str) -> str:
    """The text with its line feeds escaped, so that nothing in an image looks like a line of ours."""
    return text.replace("\n", "\\n")


def file_text(change: FileChange) -> str:
    """How a file differs."""
    old, new = change.old, change.new
    if old is None or new is None:
        return _facts_text(old or new)
    return ", ".join(_part_text(part, old, new) for part in change.parts)


def _part_text(part: str, old: FileFacts, new: FileFacts) -> str:
    match part:
        case "kind":
            return f"{_kind_text(old)} -> {_kind_text(new)}"
        case "mode":
            return f"mode {old.mode:04o} -> {new.mode:04o}"
        case "owner":
            return f"owner {old.uid}:{old.gid} -> {new.uid}:{new.gid}"
        case "size":
            return f"{old.size:,} -> {_bytes_text(new.size)}"
        case "target":
            return f"target {old.target} -> {new.target}"
        case "mtime":
            return f"time {_time_text(old.mtime)} -> {_time_text(new.mtime)}"
    return part


def _facts_text(facts: FileFacts | None) -> str:
    if facts is None:
        return ""
    size = f", {_bytes_text(facts.size)}" if facts.digest is not None else ""
    return f"{_kind_text(facts)}{size}"


def _kind_text(facts: FileFacts) -> str:
    return f"{facts.kind} to {facts.target}" if facts.target and "device" not in facts.kind else facts.kind


def _bytes_text(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"


def _time_text(mtime: int | None) -> str:
    try:
        return datetime.fromtimestamp(mtime or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(mtime)


def dump(difference: ByteDifference) -> Iterator[str]:
    """The range of a difference, and samples of both sides as `xxd` shows bytes."""
    first, last = difference.offset, difference.end - 1
    yield f"byte {first:,}" if first == last else f"bytes {first:,} to {last:,}"
    for mark, sample in (("-", difference.old), ("+", difference.new)):
        if not sample[difference.offset - difference.at :]:
            yield f"{mark} ends at {difference.offset:,}"
            continue
        for at in range(0, len(sample), _ROW):
            row = sample[at : at + _ROW]
            text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
            yield f"{mark} {difference.at + at:08x}  {row.hex(' '):<47}  {text}"


def time_only(change: FileChange) -> bool:
    """Whether nothing but the time of a file differs."""
    return change.parts == ("mtime",)


def file_rows(files: Sequence[FileChange]) -> tuple[FileRow, ...]:
    """The files that differ in more than their time by path; whole folders are one row."""
    tops: dict[tuple[str, str], str] = {}
    inside: defaultdict[tuple[str, str], list[FileFacts]] = defaultdict(list)
    heads = []
    for change in files:
        if time_only(change):
            continue
        parent = change.path.rpartition("/")[0]
        is_head = True
        for mark, mine, other in (("+", change.new, change.old), ("-", change.old, change.new)):
            if mine is None:
                continue
            top = tops.get((mark, parent)) if other is None else None
            if top is not None:
                inside[mark, top].append(mine)
                is_head = False
            if mine.kind == _FOLDER and (other is None or other.kind != _FOLDER):
                tops[mark, change.path] = top or change.path
        if is_head:
            heads.append(change)
    return tuple(_row(change, inside) for change in heads)


def _row(change: FileChange, inside: Mapping[tuple[str, str], list[FileFacts]]) -> FileRow:
    mark = "+" if change.old is None else "-" if change.new is None else "~"
    facts = change.new or change.old
    below = [each for side in ("+", "-") for each in inside.get((side, change.path), ())]
    what = file_text(change)
    if below:
        what += f" with {len(below):,} more, {_bytes_text(sum(each.size for each in below))}"
    return FileRow(mark=mark, path=change.path, layer=facts.layer if facts else "", what=what)


def by_layer(diff: ImageDiff, rows: Iterable[FileRow]) -> Iterator[tuple[str, list[FileRow]]]:
    """The rows of each layer that has some, bottom first."""
    found: dict[str, list[FileRow]] = {layer_name(layer): [] for layer in diff.layers}
    for row in rows:
        found.setdefault(row.layer, []).append(row)
    return ((name, listed) for name, listed in found.items() if listed)
