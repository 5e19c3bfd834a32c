"""What the operator allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """The operator's figures, as measured; times in seconds, the price in minor units of the wallet."""

    cooldown: float = 60
    per_hour: int = 5
    per_day: int = 20
    code_length: int = 6
    code_ttl: float = 300
    tries: int = 3
    price: int = 1
    requests_per_minute: int = 600
