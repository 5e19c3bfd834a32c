"""Call over HTTP and over TLS in a process that uses gevent sockets: ``python -m tests.client.under_gevent``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()
# ruff: noqa: E402 - before anything else is imported, as a worker's own program does it

import socket
import sys
import threading

from django_telroi.client import TelroiClient, deadline
from django_telroi.errors import ApiOutcomeUnknown
from django_telroi.simulator import Simulator
from tests.client.wire import CERTIFICATE, tls_context

NUMBERS = ("+2348031234567", "+2348031234568", "+2348031234569")
LAST = "+2348031234560"


def tls_before(port: int) -> int:
    """Yield the port of a server that accepts TLS and forwards everything."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        near = tls_context().wrap_socket(listener.accept()[0], server_side=True)
        far = socket.create_connection(("127.0.0.1", port))
        for pair in ((near, far), (far, near)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port_of_it: int = listener.getsockname()[1]
    return port_of_it


def pass_on(source: socket.socket, target: socket.socket) -> None:
    while part := source.recv(65536):
        target.sendall(part)


def main() -> None:
    deadline.DEFAULT_CA_BUNDLE_PATH = str(CERTIFICATE)
    with Simulator() as telroi:
        plain = TelroiClient(telroi.api_key, base_url=telroi.base_url)
        over_tls = TelroiClient(telroi.api_key, base_url=f"https://127.0.0.1:{tls_before(int(telroi.base_url[-5:]))}")
        calls = [plain.place_otp(NUMBERS[0]), plain.place_otp(NUMBERS[1]), over_tls.place_otp(NUMBERS[2])]
        assert [call.id for call in calls] == [otp.id for otp in telroi.otps]
        telroi.fail_next("hang")  # endless: a client without a total time-out would wait for ever
        try:
            TelroiClient(telroi.api_key, base_url=telroi.base_url, read_timeout=1).place_otp(LAST)
        except ApiOutcomeUnknown as unknown:
            sys.stdout.write(f"{len(calls)} calls, and one that {unknown}\n")


if __name__ == "__main__":
    main()
