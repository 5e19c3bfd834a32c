"""The endpoints of the simulated API: which response a request gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django_telroi.simulator.accounts import Accounts, Clock, iso
from django_telroi.simulator.fault_rules import Behavior
from django_telroi.simulator.http_request import Quirks, Request
from django_telroi.simulator.otp_requests import OtpRequest, read_body, read_check_request, read_otp_request
from django_telroi.simulator.otp_store import Judgement, Otp, OtpStore
from django_telroi.simulator.responses import (
    Answer,
    Refusal,
    login_redirect,
    refused,
    scanner_repelled,
    sign_in_page,
    success,
)
from django_telroi.simulator.routes import KNOWLEDGE, PUBLISHED, ROUTES, knowledge_of, published, sandbox_id

LISTS = ("numbers", "calls", "agents", "vans")
SANDBOX_CODE = "000000"
SANDBOX_SECONDS = 300

Endpoint = Callable[[Request, Behavior], Answer]


class Api:
    """All endpoints of Telroi that are simulated."""

    def __init__(self, store: OtpStore, accounts: Accounts, clock: Clock) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._endpoints: Mapping[tuple[str, str], Endpoint] = {
            ("GET", "/v1"): self._describe,
            ("GET", "/login"): self._login_page,
            ("POST", "/v1/otp"): self._send,
            ("POST", "/v1/otp/verify"): self._verify,
            ("POST", "/api/cron/webhooks"): self._run_webhooks,
            **{("GET", f"/v1/{name}"): self._list for name in LISTS},
            **{("POST", path): self._other for path in ROUTES},
            **{("GET", path): self._publish for path in PUBLISHED},
        }

    def answer(self, request: Request, behavior: Behavior) -> Answer:
        """Carry out the request and return the response. Never raises."""
        try:
            return self._endpoint(request, behavior.quirks)(request, behavior)
        except Refusal as refusal:
            return refused(refusal, request, behavior.quirks)

    def _endpoint(self, request: Request, quirks: Quirks) -> Endpoint:
        found = self._endpoints.get((request.method, request.route))
        if request.method == "GET" and KNOWLEDGE.fullmatch(request.route):
            found = self._knowledge
        return found or (_unknown_route if quirks.login_redirects else self._documented_error)

    def _documented_error(self, request: Request, behavior: Behavior) -> Answer:
        """Raise the error that Telroi's documentation specifies for a wrong path or method."""
        if any(route == request.route for _, route in self._endpoints):
            raise Refusal(405, "method_not_allowed", "Method not allowed")
        raise Refusal(404, "not_found", "Not found")

    def _describe(self, request: Request, behavior: Behavior) -> Answer:
        return success(
            {
                "name": "Telroi API",
                "version": "v1",
                "docs": f"{request.origin}/developers",
                "resources": ["/v1/calls", "/v1/numbers", "/v1/agents", "/v1/vans"],
                "auth": "Bearer tlr_live_... (Authorization header)",
            }
        )

    def _login_page(self, request: Request, behavior: Behavior) -> Answer:
        return sign_in_page()

    def _run_webhooks(self, request: Request, behavior: Behavior) -> Answer:
        """Always refuse: only Telroi's own scheduler knows the secret of this endpoint."""
        raise Refusal(401, "", "bad cron secret", reason="bad cron secret")

    def _list(self, request: Request, behavior: Behavior) -> Answer:
        """Return a list of the workspace. Test keys and live keys get the same list."""
        name = request.route.rpartition("/")[2]
        key = self._accounts.admit(request.headers, scope=f"{name}:read")
        return success({"object": "list", "data": self._accounts.workspace(key.workspace).lists.get(name, [])})

    def _knowledge(self, request: Request, behavior: Behavior) -> Answer:
        key = self._accounts.admit(request.headers, scope="agents:read")
        agent_id = request.route.split("/")[3]
        return success(knowledge_of(self._accounts.workspace(key.workspace), agent_id))

    def _other(self, request: Request, behavior: Behavior) -> Answer:
        route = ROUTES[request.route]
        key = self._accounts.admit(request.headers, scope=route.scope)
        return success(route.answer(read_body(request), is_test=key.is_test, now=self._clock.now()))

    def _publish(self, request: Request, behavior: Behavior) -> Answer:
        return published(request.route)

    def _send(self, request: Request, behavior: Behavior) -> Answer:
        key = self._accounts.admit(request.headers, scope="otp:write")
        otp_request = read_otp_request(request, behavior.quirks)
        body = _simulated_otp(otp_request) if key.is_test else _otp(self._store.send(key, otp_request, behavior))
        return success(body, status=200 if behavior.quirks.created_is_200 else 201)

    def _verify(self, request: Request, behavior: Behavior) -> Answer:
        key = self._accounts.admit(request.headers, scope="otp:write")
        check_request = read_check_request(request, behavior.quirks)
        if key.is_test:
            return success(_simulated_verification(check_request.code))
        return success(_verification(self._store.verify(key, check_request, behavior)))


def _unknown_route(request: Request, behavior: Behavior) -> Answer:
    """Return the response for an unknown path or method. Telroi sends it before it checks the key."""
    return scanner_repelled() if request.looks_like_a_scanner else login_redirect()


def _simulated_otp(otp_request: OtpRequest) -> Mapping[str, Any]:
    """Return the response to a send with a test key. Nothing is stored and no phone rings."""
    return {
        "object": "otp",
        "simulated": True,
        "livemode": False,
        "id": sandbox_id("otp", length=10),
        "to": otp_request.to,
        "status": "delivered",
        "expires_in": SANDBOX_SECONDS,
        "sandbox_code": SANDBOX_CODE,
    }


def _otp(otp: Otp) -> Mapping[str, Any]:
    verified_by = {"verification": "client"} if otp.is_own_code else {"expires_at": iso(otp.expires_at)}
    return {"object": "otp", "livemode": True, "id": otp.id, "to": otp.to, "status": "delivered", **verified_by}


def _simulated_verification(code: str) -> Mapping[str, Any]:
    """Return the response to a verify with a test key: 000000 is right for any number, every other code is wrong."""
    judgement = Judgement("verified" if code == SANDBOX_CODE else "mismatch")
    return {"object": "otp_verification", "simulated": True, "livemode": False, **_outcome(judgement)}


def _verification(judgement: Judgement) -> Mapping[str, Any]:
    left = {} if judgement.tries_left is None else {"attempts_left": judgement.tries_left}
    return {"object": "otp_verification", "livemode": True, **_outcome(judgement), **left}


def _outcome(judgement: Judgement) -> Mapping[str, Any]:
    return {"status": judgement.status, "verified": judgement.is_verified}
