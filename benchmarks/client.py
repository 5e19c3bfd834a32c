"""Measure what the session of ``TelroiClient`` adds to a request, compared with one bare POST.

In turns, against one simulator: a bare POST of a keep-alive ``requests.Session``, ``TelroiClient.place_otp``, and the
same with the transport alone, without the session that instrumentations and hooks see. The exit status is 1 if the
bound is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from statistics import median, quantiles

from requests import PreparedRequest, Response
from stage import Telroi, bare_session, telroi
from timing import Timed, print_table, take_turns

from django_telroi.client import TelroiClient
from django_telroi.client.http_session import permitted

BOUND = 0.15


class WithoutSession(TelroiClient):
    """Gives its requests to the transport itself."""

    def _exchange(self, method: str, path: str, body: bytes | None) -> Response:
        request = PreparedRequest()
        request.method = method
        request.url = self._base_url + path
        request.headers = self.session.headers
        request.body = body
        with permitted():
            return self.session.get_adapter(request.url).send(request)


def bare_post(simulator: Telroi) -> Callable[[str], object]:
    session = bare_session(simulator)

    def post(number: str) -> None:
        session.post(
            f"{simulator.base_url}/v1/otp", json={"to": number, "code_length": 6}, timeout=30
        ).raise_for_status()

    return post


def placing(client: TelroiClient) -> Callable[[str], object]:
    return lambda number: client.place_otp(number, code_length=6)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3000, help="how often each is timed (default: %(default)s)")
    rounds = parser.parse_args().rounds
    numbers = (f"+234803{line:07d}" for line in range(10**7))
    with telroi() as simulator:
        arguments = {"api_key": simulator.api_key, "base_url": simulator.base_url}
        bare = Timed("bare POST", numbers.__next__, bare_post(simulator))
        alone = Timed("a call, by the transport alone", numbers.__next__, placing(WithoutSession(**arguments)))
        whole = Timed("a call", numbers.__next__, placing(TelroiClient(**arguments)))
        take_turns([bare, alone, whole], warm_up=100, rounds=rounds)
    print_table([bare, alone, whole])
    # By round, so that a load that comes and goes affects all three alike.
    added = [(one - other) / post for one, other, post in zip(whole.took, alone.took, bare.took, strict=True)]
    tenths, share = quantiles(added, n=10), median(added)
    print(
        f"The session adds {share:.3f} x of a bare POST (p10 {tenths[0]:.3f}, p90 {tenths[-1]:.3f}), "
        f"at most {BOUND}: {'holds' if share <= BOUND else 'falls short'}"
    )
    return 0 if share <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
