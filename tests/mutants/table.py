"""The guards, broken by hand: what each mutant does wrong, where, and whose failing shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """``text`` stands once in ``file`` and becomes ``replacement``; one of ``tests`` must then fail."""

    about: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "show what was typed in an error report",
        "django_telroi/quiet.py",
        "return Quiet(text) if isinstance(text, str) else text",
        "return text",
        ("tests/secrets/test_error_reports.py",),
    ),
    Mutant(
        "ring satellites",
        "django_telroi/domain/phone.py",
        "phone.number.startswith(_NEVER_CALLABLE_PREFIXES) or phone",
        "phone",
        ("tests/domain/test_phone.py::test_satellites_and_international_networks_are_never_rung",),
    ),
    Mutant(
        "ring premium numbers that the site lists",
        "django_telroi/domain/phone.py",
        " or phone.line_type in _NEVER_CALLABLE_LINE_TYPES:",
        ":",
        ("tests/domain/test_phone.py::test_premium_and_shared_cost_numbers_are_never_rung_anywhere",),
    ),
    Mutant(
        "ring regions that are not allowed",
        "django_telroi/domain/phone.py",
        "if rules.allowed_regions is not None and phone.region not in rules.allowed_regions:",
        "if False:",
        ("tests/domain/test_phone.py::test_only_allowed_regions_are_rung",),
    ),
    Mutant(
        "take any digit for a digit",
        "django_telroi/domain/codes.py",
        're.compile(r"[0-9]{4,10}")',
        're.compile(r"\\d{4,10}")',
        ("tests/domain/test_codes.py::test_everything_else_is_no_code",),
    ),
    Mutant(
        "take a code with something behind it",
        "django_telroi/domain/codes.py",
        "_CODE.fullmatch(digits)",
        "_CODE.match(digits)",
        ("tests/domain/test_codes.py::test_everything_else_is_no_code",),
    ),
    Mutant(
        "take an extension for a part of the number",
        "django_telroi/domain/phone.py",
        "not _SPELLING.fullmatch(spelling)",
        "not _SPELLING.match(spelling)",
        ("tests/domain/test_phone.py::test_anything_but_digits_and_their_punctuation_is_refused",),
    ),
    Mutant(
        "read the digits of several scripts as one number",
        "django_telroi/domain/typed.py",
        "if len(zeros) != 1:",
        "if not zeros:",
        ("tests/domain/test_typed.py::test_and_never_beside_those_of_another",),
    ),
    Mutant(
        "take a number that is shown in reverse",
        "django_telroi/domain/typed.py",
        "\\u202a-\\u202d",
        "\\u202a-\\u202e",
        ("tests/domain/test_typed.py::test_what_shows_digits_in_reverse_is_refused_wherever_it_is",),
    ),
    Mutant(
        "ring a number that is longer than its column",
        "django_telroi/domain/phone.py",
        "if not _E164.fullmatch(number):",
        "if False:",
        ("tests/domain/test_typed.py::test_a_number_longer_than_e164_allows_is_refused",),
    ),
    Mutant(
        "show the full number",
        "django_telroi/domain/phone.py",
        "_HIDDEN_DIGITS = 3",
        "_HIDDEN_DIGITS = 0",
        ("tests/domain/test_phone.py::test_a_masked_number_is_recognised_by_its_owner_only",),
    ),
    Mutant(
        "believe the left end of the header",
        "django_telroi/domain/addresses.py",
        "entries[-proxies]",
        "entries[0]",
        (
            "tests/limits/test_limits.py::test_two_hundred_forged_addresses_are_one_requester",
            "tests/domain",
        ),
    ),
    Mutant(
        "take a request that came around the proxies",
        "django_telroi/domain/addresses.py",
        "if len(entries) >= proxies else None",
        "",
        ("tests/limits/test_limits.py::test_whose_address_cannot_be_told_is_refused",),
    ),
    Mutant(
        "count every address of a customer's network by itself",
        "django_telroi/domain/addresses.py",
        "    return str(IPv6Network((int(address), _NETWORK_BITS), strict=False))",
        "    return str(address)",
        ("tests/limits/test_limits.py::test_one_customers_network_is_one_requester",),
    ),
    Mutant(
        "take a redirect for a refusal",
        "django_telroi/client/answers.py",
        "    3: _redirect,",
        "    3: _refusal,",
        ("tests/client/test_client_faults.py::TestRedirects::test_nothing_is_followed",),
    ),
    Mutant(
        "take a cut body for a whole one",
        "django_telroi/client/transport.py",
        ('    if len(body) <= LONGEST_BODY and reply.length:\n        raise IncompleteRead(b"")\n'),
        "",
        ("tests/client/test_client_faults.py::test_what_goes_wrong_after_sending_leaves_the_outcome_unknown",),
    ),
    Mutant(
        "read a body without an end",
        "django_telroi/client/transport.py",
        "while len(body) <= LONGEST_BODY and (part := reply.read(LONGEST_BODY + 1 - len(body))):",
        "while part := reply.read(65536):",
        (
            "tests/client/test_client_faults.py::TestSize::test_a_refusal_with_a_page_as_long_as_a_book_keeps_its_status",
        ),
    ),
    Mutant(
        "take verified for true where it is a word",
        "django_telroi/client/replies.py",
        'verified=reply.get("verified") is True and status == "verified"',
        'verified=bool(reply.get("verified")) and status == "verified"',
        ("tests/client/test_client_answers.py::TestValues::test_only_true_and_verified_together_verify",),
    ),
    Mutant(
        "take an answer about another number",
        "django_telroi/client/replies.py",
        'if reply.get("to", to) != to:',
        "if False:",
        ("tests/client/test_client_answers.py::TestGarbage::test_a_call_to_another_number_is_unknown",),
    ),
    Mutant(
        "say not sent of what was sent",
        "django_telroi/client/transport.py",
        "failure: type[ApiError] = ApiOutcomeUnknown if connection.allowance.sent else ApiUnreachable",
        "failure: type[ApiError] = ApiUnreachable",
        ("tests/client/test_client_faults.py::test_what_goes_wrong_after_sending_leaves_the_outcome_unknown",),
    ),
    Mutant(
        "inherit a connection from the parent process",
        "django_telroi/client/transport.py",
        "self.process == os.getpid() and ",
        "",
        ("tests/client/test_client_connections.py::test_a_forked_child_does_not_talk_on_its_parents_connection",),
    ),
    Mutant(
        "show the key",
        "django_telroi/client/telroi.py",
        '"Authorization": Quiet(f"Bearer {api_key}")',
        '"Authorization": f"Bearer {api_key}"',
        ("tests/client/test_client_secrets.py::test_neither_do_values_clients_and_their_log_line",),
    ),
    Mutant(
        "take any signature",
        "django_telroi/client/webhooks.py",
        "    if not any(matches):\n",
        "    if False:\n",
        ("tests/client/test_client_webhooks.py::test_everything_else_is_refused",),
    ),
    Mutant(
        "let http.client print the key",
        "django_telroi/client/transport.py",
        "    debuglevel = 0  #",
        "    # debuglevel = 0  #",
        ("tests/secrets/test_failures.py::test_no_fault_of_telrois_leaves_a_secret_behind",),
    ),
    Mutant(
        "ring from a test run",
        "django_telroi/backends/telroi.py",
        "        _refuse_to_ring_from_a_test_run()\n",
        "",
        ("tests/backends/test_test_runs.py::test_and_its_tests_hear_of_it_loudly",),
    ),
    Mutant(
        "take a test key anywhere",
        "django_telroi/backends/telroi.py",
        "if key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key():",
        "if False:",
        (
            "tests/backends/test_test_runs.py::TestInProduction::test_what_cannot_work_says_so_to_the_log_and_to_nobody_else",
        ),
    ),
    Mutant(
        "drop the version from the claim's WHERE",
        "django_telroi/services/claims.py",
        "filter(pk=phone.pk, version=phone.version)",
        "filter(pk=phone.pk)",
        (
            "tests/services/test_staff.py::TestANumberThatIsErasedInTheMiddle::test_does_not_get_the_words_of_its_hold_back",
        ),
    ),
    Mutant(
        "let a claim leave the version as it was",
        "django_telroi/services/claims.py",
        ("        version=phone.version + 1,\n    )\n    if not rows:"),
        ("        version=phone.version,\n    )\n    if not rows:"),
        (
            "tests/services/test_staff.py::TestANumberThatIsErasedInTheMiddle::test_is_erased_again_where_a_call_was_claimed_first",
        ),
    ),
    Mutant(
        "drop the state from the WHERE of a move",
        "django_telroi/services/moves.py",
        "filter(pk=attempt.pk, status__in=from_, **only_if)",
        "filter(pk=attempt.pk, **only_if)",
        ("tests/services/test_giving_back.py::test_giving_up_twice_gives_back_once",),
    ),
    Mutant(
        "skip the reserve",
        "django_telroi/services/checking.py",
        "if not guess.repeats_doubt and not _reserve_try(attempt, now=now, using=using):",
        "if False:",
        ("tests/services/test_checking.py::test_each_answer_to_a_right_code_becomes_what_the_table_says",),
    ),
    Mutant(
        "allow one try more",
        "django_telroi/services/checking.py",
        "attempt.tries < attempt.max_tries and now",
        "attempt.tries <= attempt.max_tries and now",
        (
            "tests/services/test_checking.py::TestACodeWhoseAnswerWasLost::test_is_never_right_again_once_two_were_in_doubt",
        ),
    ),
    Mutant(
        "count after the compare",
        "django_telroi/services/checking.py",
        "    if not guess.repeats_doubt and not _reserve_try(attempt, now=now, using=using):",
        (
            "    ask(backend, digits, call_id=call_id, to=attempt.number, allow_test_key=conf.allow_test_key())\n"
            "    if not guess.repeats_doubt and not _reserve_try(attempt, now=now, using=using):"
        ),
        ("tests/services/test_checking.py::test_each_answer_to_a_right_code_becomes_what_the_table_says",),
    ),
    Mutant(
        "give a try back when its answer got lost",
        "django_telroi/services/judging.py",
        ("            _keep_doubt(guess, now=now, using=using)\n        case"),
        ("            _give_try_back(guess, using=using)\n        case"),
        ("tests/services/test_checking.py::test_each_answer_to_a_right_code_becomes_what_the_table_says",),
    ),
    Mutant(
        "believe already_verified for any code",
        "django_telroi/services/judging.py",
        "if guess.repeats_doubt and _verify(guess, now=now, using=using, doubt_digest=guess.digest) == ",
        "if _verify(guess, now=now, using=using) == ",
        ("tests/services/test_checking.py::test_each_answer_to_a_right_code_becomes_what_the_table_says",),
    ),
    Mutant(
        "believe either of two codes in doubt",
        "django_telroi/services/judging.py",
        "doubt = Case(is_the_only_one, default=Value(DOUBT_ABANDONED))",
        "doubt = Value(guess.digest)",
        (
            "tests/services/test_checking.py::TestACodeWhoseAnswerWasLost::test_is_never_right_beside_another_one_in_doubt",
        ),
    ),
    Mutant(
        "verify twice",
        "django_telroi/services/judging.py",
        "is_first = move(attempt, verified, from_=CHECKABLE, using=using, **only_if)",
        "is_first = move(attempt, verified, from_=(*CHECKABLE, Status.VERIFIED), using=using, **only_if)",
        ("tests/services/test_checking_at_once.py::test_two_right_codes_at_once_are_one_verification",),
    ),
    Mutant(
        "believe a status of verified alone",
        "django_telroi/services/answers.py",
        'if check.verified is True and check.status == "verified":',
        'if check.status == "verified":',
        ("tests/services/test_checking.py::test_each_answer_to_a_right_code_becomes_what_the_table_says",),
    ),
    Mutant(
        "show anybody's attempt",
        "django_telroi/services/attempts.py",
        "if attempt is None or attempt.user_id not in (None, owner_id(user)):",
        "if attempt is None:",
        ("tests/services/test_checking.py::TestAnAttemptOfAUser::test_does_not_exist_for_anybody_else",),
    ),
    Mutant(
        "ring a blocked number",
        "django_telroi/services/refusals.py",
        "if state.phone and state.phone.blocked_at:",
        "if False:",
        ("tests/services/test_staff.py::TestABlockedNumber::test_is_not_callable",),
    ),
    Mutant(
        "ring a queued call to a blocked number",
        "django_telroi/services/queued.py",
        "if state.phone is None or state.phone.blocked_at:",
        "if state.phone is None:",
        (
            "tests/services/test_transactions.py::TestACallInsideACallersTransaction::test_to_a_number_that_was_blocked_meanwhile_fails",
        ),
    ),
    Mutant(
        "ring while calls are stopped",
        "django_telroi/services/refusals.py",
        "if state.control.stopped_at:",
        "if False:",
        ("tests/services/test_staff.py::TestStoppedCalls::test_refuse_every_start_and_judge_every_code",),
    ),
    Mutant(
        "ring while a pause lasts",
        "django_telroi/services/pauses.py",
        "control.paused_until is None or control.paused_until <= now or control.paused_key != key_digest",
        "True",
        ("tests/services/test_placing.py::test_a_call_that_fails_because_of_the_key_says_how_long_every_call_waits",),
    ),
    Mutant(
        "ring where the line type says not to",
        "django_telroi/services/starting.py",
        "        refuse_uncallable(phone, conf.calling_rules())\n",
        "",
        ("tests/services/test_starting.py::test_each_refusal_says_why_and_how_long_and_costs_nothing",),
    ),
    Mutant(
        "forget the day's ceiling in the WHERE",
        "django_telroi/services/ceiling.py",
        "has_room = row.filter(Q(day_calls__lt=total) | ~is_counting) if total else row.none()",
        "has_room = row",
        ("tests/races/test_racing_starts.py::test_the_ceiling_of_the_whole_site_is_exact",),
    ),
    Mutant(
        "ask again after an unknown outcome",
        "django_telroi/services/placing.py",
        "        except ApiUnreachable:\n",
        "        except (ApiUnreachable, ApiOutcomeUnknown):\n",
        ("tests/services/test_placing.py::test_each_answer_to_a_call_becomes_what_the_table_says",),
    ),
    Mutant(
        "call a call that may ring a failed one",
        "django_telroi/services/verdicts.py",
        "return Verdict(Status.UNKNOWN, ErrorCode.NO_REPLY, counts=True)",
        "return Verdict(Status.FAILED, ErrorCode.UNREACHABLE, counts=False)",
        ("tests/services/test_placing.py::test_each_answer_to_a_call_becomes_what_the_table_says",),
    ),
    Mutant(
        "let a failed carrier's call not count",
        "django_telroi/services/verdicts.py",
        "return Verdict(Status.UNKNOWN, ErrorCode.CALL_FAILED, counts=True, detail=error.message)",
        "return Verdict(Status.FAILED, ErrorCode.CALL_FAILED, counts=False, detail=error.message)",
        ("tests/services/test_placing.py::test_each_answer_to_a_call_becomes_what_the_table_says",),
    ),
    Mutant(
        "forget Telroi's wait for a number",
        "django_telroi/services/verdicts.py",
        "return _failed(error, ErrorCode.RATE_LIMITED, hold=wait)",
        "return _failed(error, ErrorCode.RATE_LIMITED)",
        ("tests/services/test_placing.py::test_each_answer_to_a_call_becomes_what_the_table_says",),
    ),
    Mutant(
        "believe any time to live",
        "django_telroi/services/placing.py",
        "return theirs if theirs and now < theirs < ours else ours",
        "return theirs or ours",
        ("tests/services/test_placing.py::test_telrois_expiry_is_believed_only_if_it_is_earlier_and_still_ahead",),
    ),
    Mutant(
        "take a proof for ever",
        "django_telroi/services/proofs.py",
        "if attempt.verified_at is None or attempt.verified_at + LIFETIME <= now:",
        "if attempt.verified_at is None:",
        ("tests/services/test_accounts.py::TestAProof::test_is_good_for_ten_minutes_from_the_verification",),
    ),
    Mutant(
        "take a proof for another purpose",
        "django_telroi/services/proofs.py",
        "rows.filter(uuid=uuid, purpose=purpose)",
        "rows.filter(uuid=uuid)",
        ("tests/services/test_accounts.py::TestAProof::test_of_one_purpose_is_none_of_another",),
    ),
    Mutant(
        "give a number to a second account",
        "django_telroi/services/accounts.py",
        "return VerifiedPhone.objects.using(using).filter(number=number).exclude(user_id=user_id).exists()",
        "return False",
        (
            "tests/services/test_accounts.py::TestASiteThatAllowsOneAccountANumber::test_tells_the_second_that_it_is_taken_and_nobody_else_of_a_verification",
        ),
    ),
    Mutant(
        "purge a blocked number",
        "django_telroi/services/purging.py",
        ("Q(blocked_at=None)\n            & "),
        "",
        ("tests/services/test_purging.py::TestALimit::test_of_any_kind_keeps_the_row",),
    ),
    Mutant(
        "purge a number that was just rung",
        "django_telroi/services/purging.py",
        ("\n            & (Q(last_call_at=None) | Q(last_call_at__lt=idle_since))"),
        "",
        ("tests/services/test_purging.py::TestALimit::test_is_the_same_after_a_purge",),
    ),
    Mutant(
        "purge the number of an account",
        "django_telroi/services/purging.py",
        ", ~Exists(accounts), ",
        ", ",
        ("tests/services/test_purging.py::TestAnAccount::test_keeps_it_without_the_attempt_and_its_number_too",),
    ),
    Mutant(
        "erase a row whose limits still hold",
        "django_telroi/services/staff.py",
        "if row and not _keeps_limits(row, now=state.now):",
        "if row:",
        ("tests/services/test_staff.py::TestAnErasedNumber::test_loses_its_attempts_events_and_records",),
    ),
    Mutant(
        "erase without changing the version",
        "django_telroi/services/staff.py",
        'update(held_reason="", version=row.version + 1)',
        'update(held_reason="")',
        (
            "tests/services/test_staff.py::TestANumberThatIsErasedInTheMiddle::test_does_not_get_the_words_of_its_hold_back",
        ),
    ),
    Mutant(
        "drop the count from the WHERE that reserves a try",
        "django_telroi/services/checking.py",
        "pk=attempt.pk, status__in=CHECKABLE, expires_at__gt=now, tries=attempt.tries",
        "pk=attempt.pk, status__in=CHECKABLE, expires_at__gt=now",
        ("tests/races/test_racing_checks.py::test_of_fifty_wrong_codes_three_are_judged",),
    ),
    Mutant(
        "check inside a caller's transaction",
        "django_telroi/services/checking.py",
        "        refuse_callers_transaction(using)\n",
        "        pass\n",
        ("tests/services/test_transactions.py",),
    ),
    Mutant(
        "believe a yes from a test key",
        "django_telroi/services/answers.py",
        "is_worthless = (was_test or check.livemode is False) and not conf.allow_test_key()",
        "is_worthless = False",
        ("tests/services/test_checking.py::test_each_answer_to_a_right_code_becomes_what_the_table_says",),
    ),
    Mutant(
        "take a proof that was spent",
        "django_telroi/services/proofs.py",
        " or attempt.proof_spent_at is not None:",
        ":",
        ("tests/services/test_accounts.py",),
    ),
    Mutant(
        "spend a proof that another request has spent since it was read",
        "django_telroi/services/proofs.py",
        "filter(pk=attempt.pk, proof_spent_at=None)",
        "filter(pk=attempt.pk)",
        ("tests/services/test_accounts.py",),
    ),
    Mutant(
        "let every call try a refused key again",
        "django_telroi/services/pauses.py",
        "filter(pk=CallControl.ONLY, paused_until=control.paused_until)",
        "filter(pk=CallControl.ONLY)",
        ("tests/races/test_racing_trials.py",),
    ),
    Mutant(
        "believe the header where no proxy is trusted",
        "django_telroi/services/requesters.py",
        "proxies=proxies or 0",
        "proxies=proxies or 1",
        ("tests/limits/test_limits.py::test_two_hundred_forged_addresses_are_one_requester",),
    ),
    Mutant(
        "let an old delivery move something",
        "django_telroi/services/receiving.py",
        "if event.created_at and event.created_at < (now or timezone.now()) - TOO_OLD:",
        "if False:",
        ("tests/services/test_receiving.py",),
    ),
    Mutant(
        "record a delivery as often as it comes",
        "django_telroi/services/receiving.py",
        ("        if AttemptEvent.objects.using(using).filter(digest=event.digest).exists():\n            break\n"),
        "",
        ("tests/services/test_receiving.py",),
    ),
    Mutant(
        "let a delivery move what is over",
        "django_telroi/services/receiving.py",
        "if attempt.status in SETTLEABLE else {}",
        "",
        ("tests/services/test_receiving.py",),
    ),
    Mutant(
        "show on the DEBUG page what was typed",
        "django_telroi/services/reporting.py",
        '{"is_active": lambda self, request: True}',
        "{}",
        ("tests/secrets/test_failures.py::TestAnErrorPage",),
    ),
    Mutant(
        "wave everybody through without a cache",
        "django_telroi/limits/counting.py",
        "        raise Unavailable from None\n",
        "        pass\n",
        ("tests/limits/test_limits_without_cache.py::test_a_start_is_refused_through_every_face",),
    ),
    Mutant(
        "believe a count that the library did not make",
        "django_telroi/limits/counting.py",
        ('        if usage is None or usage["time_left"] < 0:\n            raise NotCounted\n'),
        "",
        ("tests/limits/test_limits_without_cache.py",),
    ),
    Mutant(
        "trust the library's fixed windows",
        "django_telroi/limits/counting.py",
        'return 0 if self._take_place(first=usage["count"] - 1) else max(1, self.wait())',
        "return 0",
        ("tests/limits/test_limits.py::test_no_hour_has_more_than_its_rate_wherever_it_begins",),
    ),
    Mutant(
        "let one key of a client stand for many numbers",
        "django_telroi/limits/__init__.py",
        'digest_of("start", attempt_uuid, phone.number)',
        'digest_of("start", attempt_uuid)',
        ("tests/limits/test_limits.py::test_one_key_for_many_numbers_is_no_way_around",),
    ),
    Mutant(
        "call again without counting",
        "django_telroi/limits/__init__.py",
        'another_call_id(attempt_uuid))):\n        admit("start", requester, once=once)\n',
        "another_call_id(attempt_uuid))):\n        pass\n",
        ("tests/limits/test_limits.py::TestStarts",),
    ),
    Mutant(
        "let a refused start be repeated without counting",
        "django_telroi/limits/__init__.py",
        '        forget("start", requester, once=once)\n',
        "",
        ("tests/limits/test_limits.py::test_the_same_request_counts_again_after_it_was_refused",),
    ),
    Mutant(
        "check without counting",
        "django_telroi/limits/__init__.py",
        '            admit("check", requester_of(request, user), once=None)\n',
        "            pass\n",
        ("tests/limits/test_limits.py::TestChecks",),
    ),
    Mutant(
        "redirect anywhere",
        "django_telroi/web/cards.py",
        (
            "return bool(url) and url_has_allowed_host_and_scheme(\n"
            "        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()\n"
            "    )"
        ),
        "return bool(url)",
        ("tests/web/test_web_safety.py::test_success_never_leaves_the_site",),
    ),
    Mutant(
        "take forms from other sites",
        "django_telroi/web/pages.py",
        "view = never_cache(csrf_protect(view))",
        "view = never_cache(view)",
        ("tests/web/test_web_safety.py::test_a_form_from_elsewhere_is_refused_without_the_site_s_middleware_too",),
    ),
    Mutant(
        "let a cache keep a page",
        "django_telroi/web/pages.py",
        "view = never_cache(csrf_protect(view))",
        "view = csrf_protect(view)",
        ("tests/web/test_web_safety.py::test_nothing_is_ever_cached",),
    ),
    Mutant(
        "run a page in the site's transaction",
        "django_telroi/web/pages.py",
        ("        for alias in connections:\n            view = transaction.non_atomic_requests(using=alias)(view)\n"),
        "",
        ("tests/web/test_web_safety.py::test_a_wrong_guess_is_counted_even_under_atomic_requests",),
    ),
    Mutant(
        "let a gate stand open",
        "django_telroi/web/gates.py",
        "return gate.detour(request) or view(request, *args, **kwargs)",
        "return view(request, *args, **kwargs)",
        ("tests/web/test_gates.py::test_who_is_not_logged_in_is_sent_to_log_in",),
    ),
    Mutant(
        "let a permission forget the purpose",
        "django_telroi/rest/permissions.py",
        "has_phone(purpose=self.purpose, max_age=age)",
        "has_phone(max_age=age)",
        ("tests/rest/test_rest_permission.py::test_a_purpose_is_not_another_one",),
    ),
    Mutant(
        "read a body of any size",
        "django_telroi/rest/endpoint.py",
        ("        if _content_length(request) > LONGEST_BODY:\n            raise BodyTooLarge\n"),
        "",
        ("tests/rest/test_rest_problems.py::test_a_body_that_is_too_large_is_not_even_read",),
    ),
    Mutant(
        "take a nil id for a key",
        "django_telroi/rest/ids.py",
        "if key is None or not key.int:",
        "if key is None:",
        ("tests/rest/test_rest_problems.py::test_the_key_of_an_uninitialised_variable_is_refused",),
    ),
    Mutant(
        "take webhooks without a secret",
        "django_telroi/webhooks/views.py",
        "    if not secrets:\n",
        "    if False:\n",
        ("tests/webhooks/test_webhooks.py::test_without_a_secret_nobody_is_heard",),
    ),
    Mutant(
        "let staff change evidence",
        "django_telroi/admin/readonly.py",
        (
            "    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:\n"
            "        return False"
        ),
        (
            "    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:\n"
            "        return True"
        ),
        ("tests/admin/test_roles.py::test_every_role_is_let_in_where_the_table_says_so",),
    ),
    Mutant(
        "let staff delete evidence",
        "django_telroi/admin/readonly.py",
        (
            "    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:\n"
            "        return False"
        ),
        (
            "    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:\n"
            "        return True"
        ),
        ("tests/admin/test_plain_admin.py::TestNobody::test_changes_or_deletes",),
    ),
    Mutant(
        "guess a number digit by digit in the admin",
        "django_telroi/admin/readonly.py",
        'return lookup.partition("__")[0] in offered',
        "return True",
        ("tests/admin/test_plain_admin.py::TestAList::test_is_no_way_to_guess_a_number_digit_by_digit",),
    ),
)
