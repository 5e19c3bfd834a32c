"""Log in by phone: a page and endpoints of the API. The call reads out a code, and the code logs in.

The answers, their order and their time do not depend on whether an account has the number, until the right code is
typed. Every number is called in the same way. If only numbers of accounts were called, a failed or a slow call would
show which numbers these are.
"""
