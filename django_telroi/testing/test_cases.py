"""Test cases of ``unittest`` and Django that use Telroi in memory."""

from __future__ import annotations

import unittest

from django_telroi.testing.fake_telroi import FakeTelroi, fake_telroi


class FakeTelroiMixin(unittest.TestCase):
    """Sets ``self.telroi``, a FakeTelroi, for each test.

    Put it before the class of Django: ``class Pages(FakeTelroiMixin, TestCase)``.

    A class with a ``setUp`` of its own calls ``super().setUp()`` first.
    """

    telroi: FakeTelroi

    def setUp(self) -> None:
        super().setUp()
        self.telroi = self.enterContext(fake_telroi())
