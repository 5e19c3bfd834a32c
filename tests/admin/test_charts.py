"""Charts: the bars equal the numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from django_telroi.admin.overview.charts import (
    GROUND,
    LABEL_WIDTH,
    LEAST_HEIGHT,
    LEFT,
    MAX_LINES,
    RIGHT,
    TOP,
    WIDTH,
    Stack,
    axis,
    label_step,
    share_bar,
    stacked_bars,
)

HOSTILE = '"><script>alert(1)</script>&amp;'
CLASSES = ["verified", "failed"]


def drawn(*stacks: Stack) -> ET.Element:
    """Return the two SVGs of the chart: the bars, and the figures of the axis."""
    return ET.fromstring(stacked_bars(stacks, classes=CLASSES, key="calls", title="Calls", about="About them"))


def stack(*parts: int, label: str = "14:00") -> Stack:
    return Stack(label=label, parts=parts, words=f"{label}: {parts}")


def parts_of(svg: ET.Element) -> list[tuple[str, float, float, float, float]]:
    """Return the class and the left, right, upper and lower edge of each part."""
    found = []
    for path in svg.iter("path"):
        numbers = [float(number) for number in re.findall(r"[0-9.]+", path.attrib["d"])]
        left, lower, upper, right = numbers[0], numbers[1], numbers[4], numbers[8]
        found.append((path.attrib["class"], left, right, upper, lower))
    return found


@pytest.mark.parametrize("highest", [0, 1, 2, 3, 4, 7, 9, 10, 11, 99, 101, 1284, 99_999, 10**6 + 1])
def test_the_axis_goes_from_zero_to_a_round_number_above_all_bars(highest: int) -> None:
    lines = axis(highest)

    steps = {later - earlier for earlier, later in pairwise(lines)}
    assert lines[0] == 0
    assert max(highest, 1) <= lines[-1] <= max(2 * highest, 1) or highest == 0
    assert 2 <= len(lines) <= MAX_LINES
    assert len(steps) == 1
    assert str(steps.pop()).strip("0") in {"1", "2", "5"}


def test_parts_are_as_high_as_their_counts_and_stacked() -> None:
    svg = drawn(stack(60, 20), stack(0, 80))

    first, second, other = parts_of(svg)
    (verified, *_, verified_top, ground), (failed, *_, failed_top, failed_low) = first, second
    *_, other_top, other_low = other
    assert (verified, failed, ground) == ("telroi-verified", "telroi-failed", GROUND)
    assert failed_low == verified_top
    assert (ground - verified_top) / (verified_top - failed_top) == pytest.approx(3, rel=0.01)
    assert (other_top, other_low) == (failed_top, GROUND)


def test_bars_stay_inside_and_do_not_touch() -> None:
    parts = parts_of(drawn(*[stack(count, 0) for count in range(1, 32)]))

    assert len(parts) == 31
    assert all(TOP <= upper < lower == GROUND for *_, upper, lower in parts)
    assert parts[0][1] >= LEFT
    assert parts[-1][2] <= WIDTH - RIGHT
    assert all(one[2] + 2 < other[1] for one, other in pairwise(parts))


def test_one_call_among_a_hundred_thousand_is_visible() -> None:
    (_, _, _, _, _), (_, _, _, upper, lower) = parts_of(drawn(stack(100_000, 1)))

    assert lower - upper >= LEAST_HEIGHT - 0.05


@pytest.mark.parametrize("count", [1, 2, 8, 24, 25, 26, 31, 100])
def test_labels_do_not_overlap(count: int) -> None:
    shown = len(range(0, count, label_step(count)))

    assert shown * LABEL_WIDTH <= WIDTH - LEFT - RIGHT
    assert shown >= min(count, 5)


def test_a_chart_without_bars_has_only_an_axis() -> None:
    svg = drawn()

    assert parts_of(svg) == []
    assert len(list(svg.iter("line"))) == 2


def test_every_line_has_its_figure_beside_it() -> None:
    bars, figures = drawn(stack(1284, 0))

    lines, texts = list(bars.iter("line")), list(figures.iter("text"))
    assert [text.text for text in texts] == [f"{value:,}" for value in axis(1284)]
    assert [float(text.attrib["y"]) - 4 for text in texts] == [float(line.attrib["y1"]) for line in lines]
    assert all(float(text.attrib["x"]) < LEFT for text in texts)


def test_a_screen_reader_gets_title_and_description() -> None:
    svg, figures = drawn(stack(1, 2))

    assert figures.attrib["aria-hidden"] == "true"
    labels = svg.attrib["aria-labelledby"].split()
    assert svg.attrib["role"] == "img"
    assert [svg.find(f"*[@id='{label}']").text for label in labels] == ["Calls", "About them"]  # type: ignore[union-attr]


def test_labels_are_escaped() -> None:
    svg = stacked_bars([Stack(HOSTILE, (1, 1), HOSTILE)], classes=CLASSES, key="calls", title=HOSTILE, about=HOSTILE)

    tree = ET.fromstring(svg)
    assert [each.text for each in tree.iter("title")] == [HOSTILE, HOSTILE]
    assert not [each for each in tree.iter() if each.tag == "script"]
    assert "style=" not in svg


@pytest.mark.parametrize(("share", "width"), [(None, 0), (0, 0), (0.5, 37), (1, 74), (1.7, 74)])
def test_a_share_is_never_wider_than_its_bar(share: float | None, width: float) -> None:
    _, used = ET.fromstring(share_bar(share)).iter("rect")

    assert float(used.attrib["width"]) == width
