"""Draw the states of an attempt for the docs: ``python -m tests.project.draw_states``.

The arrows come from ``domain/states.py``. To need few arrows, final states that are reached from the same states share
a box, and an arrow from the frame around the open states stands for an arrow from each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from django_telroi.domain.states import FINAL, TRANSITIONS, UNFINISHED, Status

PICTURE = Path(__file__).parents[2] / "docs" / "_static" / "states.svg"
WIDTH, HEIGHT, LINE = 760, 430, 20
FRAME = (20, 84, 566, 230)


class Box(NamedTuple):
    """The center of a box, and half of its size."""

    x: float
    y: float
    half_width: float = 58
    half_height: float = 22


OPEN_BOXES = {
    Status.QUEUED: Box(100, 130),
    Status.DIALING: Box(326, 130),
    Status.UNKNOWN: Box(312, 262),
    Status.PLACED: Box(515, 165),
}
FINAL_BOXES = {
    frozenset({Status.FAILED}): Box(200, 36),
    frozenset({Status.EXPIRED}): Box(200, 396),
    frozenset({Status.VERIFIED, Status.LOCKED}): Box(680, 206, half_height=34),
    frozenset({Status.CANCELED, Status.SUPERSEDED}): Box(680, 290, half_height=34),
}


def drawing(transitions: Mapping[Status, frozenset[Status]] = TRANSITIONS) -> str:
    """Return the drawing as SVG. Raises KeyError if final states that share a box are reached from different states."""
    boxes = {(status,): box for status, box in OPEN_BOXES.items()}
    groups = {group: FINAL_BOXES[group] for group in sorted(_groups_of(transitions), key=sorted)}
    boxes |= {tuple(sorted(group)): box for group, box in groups.items()}
    parts = [*_arrows(transitions, groups), *(part for names, box in boxes.items() for part in _box(names, box))]
    frame = '<rect class="frame" x="{}" y="{}" width="{}" height="{}" rx="8"/>'.format(*FRAME)
    return "\n".join([_HEAD, frame, *parts, "</svg>", ""])


def _groups_of(transitions: Mapping[Status, frozenset[Status]]) -> Iterator[frozenset[Status]]:
    for sources in {_sources(status, transitions) for status in sorted(FINAL)}:
        yield frozenset(status for status in FINAL if _sources(status, transitions) == sources)


def _sources(status: Status, transitions: Mapping[Status, frozenset[Status]]) -> frozenset[Status]:
    return frozenset(source for source in transitions if status in transitions[source])


def _arrows(transitions: Mapping[Status, frozenset[Status]], groups: Mapping[frozenset[Status], Box]) -> list[str]:
    arrows = []
    for source, start in OPEN_BOXES.items():
        for target in sorted(transitions[source] & UNFINISHED):
            # An arrow and its reverse are drawn side by side.
            shift = (-7 if source < target else 7) if source in transitions[target] else 0
            arrows.append(_arrow(start, OPEN_BOXES[target], shift))
    for group, end in groups.items():
        sources = _sources(min(group), transitions)
        if sources == UNFINISHED:
            right = FRAME[0] + FRAME[2]
            arrows.append(_line(right, end.y, end.x - end.half_width, end.y))
        else:
            arrows += [_arrow(OPEN_BOXES[source], end, 0) for source in OPEN_BOXES if source in sources]
    return sorted(arrows)


def _arrow(start: Box, end: Box, shift: float) -> str:
    x1, y1 = _border(start, towards=end)
    x2, y2 = _border(end, towards=start)
    return _line(x1, y1 + shift, x2, y2 + shift)


def _border(box: Box, *, towards: Box) -> tuple[float, float]:
    """Return the point where the line between the centers of two boxes leaves this box."""
    dx, dy = towards.x - box.x, towards.y - box.y
    scale = min(box.half_width / abs(dx) if dx else 9, box.half_height / abs(dy) if dy else 9)
    return box.x + dx * scale, box.y + dy * scale


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="arrow" marker-end="url(#tip)" d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}"/>'


def _box(names: tuple[Status, ...], box: Box) -> Iterator[str]:
    kind = "open" if names[0] in UNFINISHED else "final"
    left, top, width, height = box.x - box.half_width, box.y - box.half_height, 2 * box.half_width, 2 * box.half_height
    yield f'<rect class="{kind}" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>'
    first = box.y + 5 - LINE * (len(names) - 1) / 2
    for line, name in enumerate(names):
        yield f'<text x="{box.x:.0f}" y="{first + LINE * line:.0f}">{name}</text>'


_HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">
<title id="title">The states of an attempt. The table below lists the same transitions.</title>
<style>
.ground {{ fill: #fff }}
.frame {{ fill: none; stroke: #8a93a3; stroke-dasharray: 5 4 }}
.open {{ fill: #e8efff; stroke: #1f5eff }}
.final {{ fill: #f3f4f6; stroke: #5b6472 }}
.arrow {{ fill: none; stroke: #3a4250; stroke-width: 1.4 }}
text {{ font: 15px monospace; fill: #14181f; text-anchor: middle }}
</style>
<defs>
<marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto"><path d="M0 0L9 4L0 8z"/></marker>
</defs>
<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>"""


def main() -> None:
    PICTURE.write_text(drawing())


if __name__ == "__main__":
    main()
