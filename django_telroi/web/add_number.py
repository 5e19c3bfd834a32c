"""Add a number that was verified before the login to the account of the user who is logged in now."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, services
from django_telroi.errors import NumberTaken, ProofRejected
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.accounts.proofs import proof_of
from django_telroi.services.shared.arguments import owner_id
from django_telroi.web.card_state import settle_and_load_attempt
from django_telroi.web.pages import PhonePage
from django_telroi.web.seen_attempt import step_name
from django_telroi.web.session import Flow


@sensitive_variables()
def add_number_after_login(request: HttpRequest, flow: Flow, result: CheckResult) -> CheckResult:
    """Add the number to the account of a user who logged in between the request for the call and the code.

    The session that requested the call also typed the code, so the number belongs to this user. If the user was logged
    in when the call was requested, the record exists already. Returns the result without its proof after the proof was
    redeemed, with outcome NUMBER_TAKEN if another account has the number, else unchanged.
    """
    attempt, user = result.attempt, getattr(request, "user", None)
    # The attempt may come from the ticket of a form, and be unknown to the session. Then nothing shows that this user
    # requested the call.
    is_of_session = attempt.uuid in (flow.attempt, flow.older, flow.kept)
    is_users = owner_id(user) is not None and conf.writes_record(attempt.purpose)
    if result.proof is None or not is_of_session or not is_users:
        return result
    try:
        services.redeem_proof(result.proof, purpose=attempt.purpose, user=user)
    except NumberTaken:
        return replace(result, outcome=CheckOutcome.NUMBER_TAKEN, proof=None)
    except ProofRejected:
        pass  # the other request of a double click has redeemed it
    return replace(result, proof=None)


class AddNumberView(PhonePage):
    """The button that adds a number, verified before the login, to the user's account."""

    http_method_names = ["post", "options"]

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        seen = settle_and_load_attempt(request, self.purpose)
        if seen is None:
            return self.redirect_to_page("start")
        attempt, flow = seen.attempt, self.flow
        proof = proof_of(attempt, now=seen.attempt_status.now)
        # The form must be of the attempt on show. A form of an older verification, in another tab, would add a number
        # that the person does not see.
        is_offered = step_name(seen) == "offer" and self.ticket.shown_attempt == attempt.uuid
        if not is_offered or proof is None:
            return self.redirect_to_page("code")
        try:
            services.redeem_proof(proof, purpose=attempt.purpose, user=self.user)
        except ProofRejected:
            return self.redirect_to_page("code")  # the page shows the current status
        return self.redirect(self.get_success_url(flow))
