"""Language tags as RFC 5646 (BCP 47) spells them, section 2.1.1."""

from __future__ import annotations

import pytest

from django_telroi.domain.request_headers import language_tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en", "en"),
        ("EN-us", "en-US"),
        ("yo-ng", "yo-NG"),
        ("zh-hans", "zh-Hans"),
        ("zh-hant-hk", "zh-Hant-HK"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("es-419", "es-419"),
        ("sgn-be-fr", "sgn-BE-FR"),
        ("de-ch-1996", "de-CH-1996"),
        ("ca-es-VALENCIA", "ca-ES-valencia"),
        ("en-ca-x-ca", "en-CA-x-ca"),
        ("az-latn-x-latn", "az-Latn-x-latn"),
        ("de-u-CO-phonebk", "de-u-co-phonebk"),
        ("a" * 8 + "-" + "b" * 8, "a" * 8 + "-" + "b" * 8),
    ],
)
def test_a_tag_is_spelled_as_the_standard_recommends(text: str, tag: str) -> None:
    assert language_tag(text) == tag
    assert language_tag(tag) == tag


@pytest.mark.parametrize(
    "text", ["", "e", "-", "en-", "en--us", "en_US", "en us", "عر", "en\n", "ıd", "x" * 9, "en-" * 12 + "us"]
)
def test_an_invalid_tag_is_none(text: str) -> None:
    assert language_tag(text) is None
