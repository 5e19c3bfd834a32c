"""The endpoints of the simulated API: which response a request gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django_telroi.simulator.accounts import Accounts, Clock, iso
from django_telroi.simulator.fault_rules import Behavior
from django_telroi.simulator.http_request import Quirks, Request
from django_telroi.simulator.otp import Judgement
from django_telroi.simulator.otp_requests import read_body, read_check_request, read_otp_request
from django_telroi.simulator.otp_store import OtpStore
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
            # Telroi's own scheduler calls this. A client that finds it must not be able to send the webhooks.
            ("POST", "/api/cron/webhooks"): self._run_webhooks,
            **{("GET", f"/v1/{name}"): self._list for name in LISTS},
            **{("POST", path): self._answer_from_table for path in ROUTES},
            **{("GET", path): self._publish for path in PUBLISHED},
        }

    def answer(self, request: Request, behavior: Behavior) -> Answer:
        """Carry out the request and return the response. Every Refusal becomes an error response."""
        try:
            return self._endpoint(request, behavior.quirks)(request, behavior)
        except Refusal as refusal:
            return refused(refusal, request, behavior.quirks)

    def _endpoint(self, request: Request, quirks: Quirks) -> Endpoint:
        found = self._endpoints.get((request.method, request.route))
        # The only path with an id in it, so a table of patterns is not needed.
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

    def _answer_from_table(self, request: Request, behavior: Behavior) -> Answer:
        route = ROUTES[request.route]
        key = self._accounts.admit(request.headers, scope=route.scope)
        return success(route.answer(read_body(request), is_test=key.is_test, now=self._clock.now()))

    def _publish(self, request: Request, behavior: Behavior) -> Answer:
        return published(request.route)

    def _send(self, request: Request, behavior: Behavior) -> Answer:
        key = self._accounts.admit(request.headers, scope="otp:write")
        otp_request = read_otp_request(request, behavior.quirks, behavior.own_codes)
        if key.is_test:
            # Stateless, as in Telroi: nothing is stored, so a number has no cooldown and no limit, and there is no
            # webhook. An own code changes nothing: only 000000 verifies.
            body = {
                "object": "otp",
                "simulated": True,
                "livemode": False,
                "id": sandbox_id("otp", length=10),
                "to": otp_request.to,
                "status": "delivered",
                "expires_in": SANDBOX_SECONDS,
                "sandbox_code": SANDBOX_CODE,
            }
        else:
            otp = self._store.send(key, otp_request, behavior)
            # Telroi does not verify an own code, so it does not say when it expires.
            verified_by = {"verification": "client"} if otp.is_own_code else {"expires_at": iso(otp.expires_at)}
            body = {"object": "otp", "livemode": True, "id": otp.id, "to": otp.to, "status": "delivered", **verified_by}
        return success(body, status=200 if behavior.quirks.created_is_200 else 201)

    def _verify(self, request: Request, behavior: Behavior) -> Answer:
        key = self._accounts.admit(request.headers, scope="otp:write")
        check_request = read_check_request(request, behavior.quirks)
        if key.is_test:
            # For any number and any id, also for the OTP of a live key, which stays as it is.
            judgement = Judgement("verified" if check_request.code == SANDBOX_CODE else "mismatch")
            mode = {"simulated": True, "livemode": False}
        else:
            judgement = self._store.verify(key, check_request, behavior)
            mode = {"livemode": True}
        left = {} if judgement.tries_left is None else {"attempts_left": judgement.tries_left}
        outcome = {"status": judgement.status, "verified": judgement.is_verified, **left}
        # The order of the keys is Telroi's, because the recordings are compared byte by byte.
        return success({"object": "otp_verification", **mode, **outcome})


def _unknown_route(request: Request, behavior: Behavior) -> Answer:
    """Return the response for an unknown path or method. Telroi sends it before it checks the key."""
    return scanner_repelled() if request.looks_like_a_scanner else login_redirect()
