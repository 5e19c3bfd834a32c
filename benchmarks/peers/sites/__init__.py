"""A site for each contestant, set up as its documentation says.

Each module has ``settings()``, ``urls()`` and ``fill(rows)``. ``start(number, address)`` and
``check(number, address)`` return the request that is timed. What comes before that request, such as its form or the
start of a check, is not timed. ``STARTED`` and ``VERIFIED`` are the replies to expect.
"""
