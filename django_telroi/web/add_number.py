"""A number that was verified without a user, and the account of the user who is logged in now."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, services
from django_telroi.errors import NumberTaken, ProofRejected
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.accounts.proofs import proof_of
from django_telroi.services.shared.arguments import owner_id
from django_telroi.web.card_state import seen_by
from django_telroi.web.pages import PhonePage
from django_telroi.web.session import Flow
from django_telroi.web.steps import step_name


@sensitive_variables()
def give_number(request: HttpRequest, flow: Flow, result: CheckResult) -> CheckResult:
    """Add the number to the account of a user who logged in after the call was asked for.

    They typed its code in the session that asked for it, so it is theirs. Of a call that was asked for by a user the
    record is written already.
    """
    attempt, user = result.attempt, getattr(request, "user", None)
    is_of_session = attempt.uuid in (flow.attempt, flow.older)
    is_users = owner_id(user) is not None and conf.writes_record(attempt.purpose)
    if result.proof is None or not is_of_session or not is_users:
        return result
    try:
        services.redeem_proof(result.proof, purpose=attempt.purpose, user=user)
    except NumberTaken:
        return replace(result, outcome=CheckOutcome.NUMBER_TAKEN, proof=None)
    except ProofRejected:
        pass  # the first half of a double click was faster
    return replace(result, proof=None)


class AddNumberView(PhonePage):
    """Adds a number that was verified before its user logged in to their account, once they press the button."""

    http_method_names = ["post", "options"]

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        seen = seen_by(request, self.purpose)
        if seen is None:
            return self.go_on("start")
        attempt, flow = seen.attempt, self.flow
        proof = proof_of(attempt, now=seen.standing.now)
        is_offered = step_name(seen) == "offer" and self.ticket.shown_attempt == attempt.uuid
        if not is_offered or proof is None:
            return self.go_on("code")
        try:
            services.redeem_proof(proof, purpose=attempt.purpose, user=self.user)
        except ProofRejected:
            return self.go_on("code")  # which says how it stands now
        return self.go(self.get_success_url(flow))
