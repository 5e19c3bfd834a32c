"""Refusals that a test may order although nothing calls for them. Nothing is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django_telroi.simulator.answers import Refusal, crash


def invalid() -> Refusal:
    """400 for a bad field."""
    return Refusal(400, "invalid", "to (E.164 destination) is required")


def malformed() -> Refusal:
    """400 without a code, as for a body that is not JSON."""
    return Refusal(400, "", "Invalid JSON body", reason="Bad Request")


def unauthorized() -> Refusal:
    """401 for an unknown or revoked key."""
    return Refusal(401, "unauthorized", "Invalid or revoked API key")


def forbidden() -> Refusal:
    """403 for a key without the scope."""
    return Refusal(403, "forbidden", "Key lacks otp:write")


def not_found() -> Refusal:
    """404 as documented."""
    return Refusal(404, "not_found", "Not found")


def method_not_allowed() -> Refusal:
    """405 as documented."""
    return Refusal(405, "method_not_allowed", "Method not allowed")


def not_verifiable() -> Refusal:
    """422 for a code of one's own."""
    return Refusal(422, "not_verifiable", "You supplied this code, so verifying it is yours to do.")


def rate_limited(*, wait: object = 60, message: str | None = None) -> Refusal:
    """429 for the number, with any ``wait`` in the sentence, or with any sentence."""
    sentence = message or f"Too many requests for this number. Retry after {wait}s."
    return Refusal(429, "rate_limited", sentence, wait=wait if isinstance(wait, int) else None)


def key_limited(*, wait: object = 56) -> Refusal:
    """429 for the key, with any ``wait`` in the sentence."""
    sentence = f"Too many requests. Try again in {wait}s."
    return Refusal(429, "rate_limited", sentence, wait=wait if isinstance(wait, int) else None)


def server_error(*, status: int = 500) -> Refusal:
    """500 without a code; another status with the same body if asked for."""
    failure = crash()
    return Refusal(status, failure.code, failure.message)


def otp_failed(*, message: str = "Gateway returned 500") -> Refusal:
    """502 with the operator's words; unlike a carrier's failure it leaves no trace."""
    return Refusal(502, "otp_failed", message)


def insufficient_funds() -> Refusal:
    """502 for an empty wallet."""
    return otp_failed(message="insufficient_funds")


def service_unavailable() -> Refusal:
    """503 while the key store is out of reach."""
    return Refusal(503, "service_unavailable", "Key verification temporarily unavailable")


REFUSALS: Mapping[str, Callable[..., Refusal]] = {
    refusal.__name__: refusal
    for refusal in (
        invalid,
        malformed,
        unauthorized,
        forbidden,
        not_found,
        method_not_allowed,
        not_verifiable,
        rate_limited,
        key_limited,
        server_error,
        otp_failed,
        insufficient_funds,
        service_unavailable,
    )
}
