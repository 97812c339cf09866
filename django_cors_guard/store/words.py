"""What the log says of the policy: one line per change of state."""

from __future__ import annotations

import logging
from typing import Final

from django_cors_guard.core.policy import Policy

logger: Final = logging.getLogger("django_cors_guard.store")


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line: some drivers explain themselves at length."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def log_unconfirmed(error: BaseException | None, full: Policy | None, policy: Policy | None) -> None:
    """Tell that the policy ``full`` could not be confirmed, and that ``policy`` is served for now.

    A traceback would say no more, and the database is not this package's.
    """
    reason = first_line(error) if error is not None else "the database has not done so in time"
    logger.error("The policy could not be confirmed (%s); %s.", reason, _describe_service(full, policy))


def log_answer(policy: Policy | None) -> None:
    """Tell that this is over: the database confirms ``policy``, or answers while all rows are read anew."""
    if policy is None:
        logger.warning("The database answers again; the policy is being loaded anew.")
    else:
        logger.warning("The policy is confirmed again, at revision %d.", policy.revision)


def log_left_out(policy: Policy) -> None:
    """Tell of the rows that are switched off, if there are any."""
    if not policy.left_out_count:
        return
    shown = "; ".join(
        f"{row.group} {row.origin}: {', '.join(problem.code for problem in row.problems)}"
        for row in policy.left_out[:10]
    )
    logger.warning(
        "Revision %d: %d rows break a safety rule and are switched off: %s",
        policy.revision,
        policy.left_out_count,
        shown,
    )


def _describe_service(full: Policy | None, policy: Policy | None) -> str:
    if full is None:
        return "there is none yet, so no CORS header is sent"
    if policy is not full:
        return "it is too old now, so every grant has lapsed"
    return f"revision {full.revision} serves on"
