"""Charts as SVG. They have no inline styles, which a strict content security policy would block.

The stylesheet sets the colours by class, so that they follow the theme. Time runs left to right in every language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 880, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 32
GROUND = HEIGHT - BOTTOM
WIDEST_BAR = 34
LEAST_HEIGHT = 1.5
"""The height of the smallest part, so that one call of many is visible."""
LABEL_WIDTH = 60
MAX_LINES = 7
ROUND = 3
LABEL_STEPS = (1, 2, 3, 4, 6, 7, 12)


@dataclass(frozen=True)
class Stack:
    """One bar: ``parts`` are its values from the bottom up, ``words`` its tooltip."""

    label: str
    parts: Sequence[int]
    words: str


def stacked_bars(stacks: Sequence[Stack], *, classes: Sequence[str], key: str, title: str, about: str) -> SafeString:
    """Return a bar chart. ``classes`` are the CSS classes of the parts. ``key`` makes the ids unique on the page.

    The figures of the axis are an SVG of their own: the stylesheet keeps them in sight while the bars scroll.
    """
    lines = axis(max((sum(stack.parts) for stack in stacks), default=0))
    return format_html(
        '<div class="telroi-plot"><svg class="telroi-chart" viewBox="0 0 {} {}" width="{}" height="{}" role="img"'
        ' direction="ltr" aria-labelledby="{}-title {}-about" focusable="false"><title id="{}-title">{}</title>'
        '<desc id="{}-about">{}</desc>{}{}{}</svg>{}</div>',
        *(WIDTH, HEIGHT, WIDTH, HEIGHT, key, key, key, title, key, about),
        format_html_join("", "{}", ((_line(value, top=lines[-1]),) for value in lines)),
        format_html_join("", "{}", ((bar,) for bar in _bars(stacks, classes, top=lines[-1]))),
        format_html_join("", "{}", ((label,) for label in _labels(stacks))),
        _axis_labels(lines, key=key),
    )


def axis(highest: int) -> tuple[int, ...]:
    """Return the values of the grid lines: at most ``MAX_LINES`` round numbers from 0 to ``highest`` or above."""
    # Steps of 1, 2 or 5 times a power of ten, as on a ruler.
    step = next(step for step in _round_steps() if step * (MAX_LINES - 1) >= highest)
    return tuple(range(0, max(highest, 1) + step, step))[: max(2, ceil(highest / step) + 1)]


def _round_steps() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def height_of(value: int, *, top: int) -> float:
    """Return the height of a part in pixels."""
    return max(LEAST_HEIGHT, (GROUND - TOP) * value / top) if value else 0


def label_step(count: int) -> int:
    """Return n, if every n-th bar has room for a label."""
    most = max(1, (WIDTH - LEFT - RIGHT) // LABEL_WIDTH)
    return next((step for step in LABEL_STEPS if step * most >= count), ceil(count / most))


def _height_of_line(value: int, *, top: int) -> float:
    return round(GROUND - (GROUND - TOP) * value / top, 1)


def _line(value: int, *, top: int) -> SafeString:
    y = _height_of_line(value, top=top)
    return format_html(
        '<line class="telroi-grid{}" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        *(" telroi-ground" if value == 0 else "", LEFT, WIDTH - RIGHT, y, y),
    )


def _axis_labels(lines: Sequence[int], *, key: str) -> SafeString:
    """Return the figures of the grid lines. Bars that scroll pass below them, and labels of the bars fade out there."""
    ticks = (
        (LEFT - 8, _height_of_line(value, top=lines[-1]) + 4, number_format(value, use_l10n=True, force_grouping=True))
        for value in lines
    )
    edge = GROUND + 7  # below the figure of the ground line, above the labels of the bars
    return format_html(
        '<svg class="telroi-axis" viewBox="0 0 {} {}" width="{}" height="{}" direction="ltr" aria-hidden="true"'
        ' focusable="false"><defs><linearGradient id="{}-fade"><stop class="telroi-axis-stop" offset="0.6"/>'
        '<stop class="telroi-axis-stop" offset="0.9" stop-opacity="0"/></linearGradient></defs>'
        '<rect class="telroi-axis-ground" width="{}" height="{}"/><rect y="{}" width="{}" height="{}"'
        ' fill="url(#{}-fade)"/>{}</svg>',
        *(LEFT, HEIGHT, LEFT, HEIGHT, key, LEFT, edge, edge, LEFT, HEIGHT - edge, key),
        format_html_join("", '<text class="telroi-tick" x="{}" y="{}" text-anchor="end">{}</text>', ticks),
    )


def _slot(stacks: Sequence[Stack]) -> float:
    return (WIDTH - LEFT - RIGHT) / len(stacks)


def _bars(stacks: Sequence[Stack], classes: Sequence[str], *, top: int) -> Iterator[SafeString]:
    """Yield the bars, each with its tooltip."""
    for place, stack in enumerate(stacks):
        # An invisible rectangle of full height takes the pointer, so the tooltip also works above a low bar.
        slot = _slot(stacks)
        x = LEFT + slot * place
        yield format_html(
            '<g class="telroi-stack"><title>{}</title><rect class="telroi-slot" x="{}" y="{}" width="{}" height="{}"'
            ' fill="none" pointer-events="all"/>{}</g>',
            *(stack.words, round(x, 1), TOP, round(slot, 1), GROUND - TOP),
            format_html_join("", "{}", ((part,) for part in _parts(stack, classes, x=x, slot=slot, top=top))),
        )


def _parts(stack: Stack, classes: Sequence[str], *, x: float, slot: float, top: int) -> Iterator[SafeString]:
    width = min(WIDEST_BAR, slot * 0.66)
    left, y = x + (slot - width) / 2, float(GROUND)
    drawn = [(name, value) for name, value in zip(classes, stack.parts, strict=True) if value]
    for place, (name, value) in enumerate(drawn, 1):
        height = height_of(value, top=top)
        y -= height
        yield _part(name, left=left, y=y, width=width, height=height, rounded=ROUND * (place == len(drawn)))


def _part(name: str, *, left: float, y: float, width: float, height: float, rounded: float) -> SafeString:
    """Return a rectangle. ``rounded`` is the radius of its upper corners, 0 for all but the topmost part."""
    # A part lower than the radius would otherwise be drawn upside down.
    r = min(rounded, height, width / 2)
    path = (
        f"M{left:.1f} {y + height:.1f}V{y + r:.1f}Q{left:.1f} {y:.1f} {left + r:.1f} {y:.1f}"
        f"H{left + width - r:.1f}Q{left + width:.1f} {y:.1f} {left + width:.1f} {y + r:.1f}V{y + height:.1f}Z"
    )
    return format_html('<path class="telroi-{}" d="{}"/>', name, path)


def _labels(stacks: Sequence[Stack]) -> Iterator[SafeString]:
    if not stacks:
        return
    slot = _slot(stacks)
    for place in range(0, len(stacks), label_step(len(stacks))):
        x = round(LEFT + slot * (place + 0.5), 1)
        yield format_html(
            '<text class="telroi-tick" x="{}" y="{}" text-anchor="middle">{}</text>',
            *(x, GROUND + 20, stacks[place].label),
        )


def share_bar(share: float | None) -> SafeString:
    """Return a short bar for a share from 0 to 1."""
    width = 74
    return format_html(
        '<svg class="telroi-bar" viewBox="0 0 {} 8" width="{}" height="8" aria-hidden="true" focusable="false">'
        '<rect class="telroi-bar-ground" width="{}" height="8" rx="4"/>'
        '<rect class="telroi-bar-good" width="{}" height="8" rx="4"/></svg>',
        *(width, width, width, round(width * min(max(share or 0, 0), 1), 1)),
    )


def swatch(name: str) -> SafeString:
    """Return an SVG square in the colour of the part ``name``, for the legend."""
    return format_html(
        '<svg class="telroi-swatch" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" focusable="false">'
        '<rect class="telroi-{}" width="12" height="12" rx="2"/></svg>',
        name,
    )
