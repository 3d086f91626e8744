"""`saga dead-letters ls` and `show`: what was set aside, why, and what waits behind it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import typer

from saga_coordinator.handlers.records import Audit, DeadLetter, Place
from saga_coordinator.service.cli.console import as_json, fail, remark, say, span, stamp, table
from saga_coordinator.service.cli.explaining import parse_place, shown
from saga_coordinator.service.cli.looking import Look, looking
from saga_coordinator.service.cli.parking import describe_audit
from saga_coordinator.service.storage.sqlite.dead_letter_queries import (
    DeadLetterFilter,
    ParkedBehind,
    audits_at,
    cursor,
    letters,
    letters_at,
    parked_behind,
    queue_of,
    queued_at,
)

MAX_QUEUED: Final = 1_000
MAX_SHOWN: Final = 20
MAX_CAUSE_LENGTH: Final = 100


class Wanted(NamedTuple):
    """Which dead letters, as the command line says it."""

    topic: str | None
    instance: str | None
    cause: str | None
    before: str | None


def ls(wanted: Wanted, limit: int, *, is_json: bool) -> None:
    """Print a page of dead letters."""
    before = None if wanted.before is None else _read_cursor(wanted.before)
    which = DeadLetterFilter(topic=wanted.topic, instance_id=wanted.instance, cause=wanted.cause, before=before)
    with looking() as look:
        found = letters(look.reading, which, limit + 1)
        page, more = found[:limit], len(found) > limit
        parked = parked_behind(look.reading, {each.instance_id for each in page if each.parks})
    following = _write_cursor(page[-1]) if more else None
    if is_json:
        as_json({"dead_letters": [_told(each, parked) for each in page], "next": following})
        return
    if page:
        now = datetime.now(UTC)
        table(("place", "age", "cause", "instance", "waiting"), [_row(each, parked, now) for each in page])
    else:
        say("There is no dead letter" + (" like this." if any(wanted) else "."))
    if following:
        remark(f"There are more: saga dead-letters ls --before {following}")


def show(place: str, *, is_json: bool) -> None:
    """Print all that is known of the dead letters of one record."""
    at = parse_place(place)
    with looking() as look:
        found = letters_at(look.reading, at)
        audits = audits_at(look.reading, at)
        if not found:
            fail(_why_none(look, at, audits))
        whole = [(each, _queue(look, each)) for each in found]
    if is_json:
        as_json([_told_whole(letter, audits, queue) for letter, queue in whole])
        return
    for letter, queue in whole:
        _print(letter, audits, queue)


def _why_none(look: Look, at: Place, audits: Sequence[Audit]) -> str:
    """Say why a record is no dead letter, as far as that is known."""
    if queued := queued_at(look.reading, at):
        return f"{at} is queued for instance {queued[0].instance_id}: `saga explain {at}` says behind what"
    done = f" ({describe_audit(audits[-1])})" if audits else ""
    return f"{at} is no dead letter{done}: `saga explain {at}` says what became of it"


def _queue(look: Look, letter: DeadLetter) -> list[str]:
    if not letter.parks:
        return []
    return [str(each.record.place) for each in queue_of(look.reading, letter.instance_id, MAX_QUEUED)]


# --- for people


def _row(letter: DeadLetter, parked: Mapping[str, ParkedBehind], now: datetime) -> Sequence[str]:
    head = parked.get(letter.instance_id) if letter.parks else None
    waiting = str(head.waiting) if head else ""
    cause = letter.cause[:MAX_CAUSE_LENGTH]
    return str(letter.record.place), span(now - letter.at), cause, letter.instance_id, waiting


def _print(letter: DeadLetter, audits: Sequence[Audit], queue: Sequence[str]) -> None:
    say(f"{letter.record.place}: dead-lettered at {stamp(letter.at)}")
    say(letter.cause)
    if letter.instance_id:
        told = "is parked behind it" if letter.parks else "is the one that it failed for"
        say(f"instance {letter.instance_id} {told}")
    record = shown(letter.record)
    say(f"  key: {record['key']}")
    for name, value in record.pop("headers"):  # type: ignore[attr-defined]  # pairs, as `shown` makes them
        say(f"  {name}: {value}")
    say(f"\n{record['value']}")
    if audits:
        say("\nwhat was done")
        for audit in audits:
            say(f"  {describe_audit(audit)}")
    if queue:
        say(f"\nwaiting behind it: {len(queue)}")
        for place in queue[:MAX_SHOWN]:
            say(f"  {place}")


# --- for programs


def _told(letter: DeadLetter, parked: Mapping[str, ParkedBehind]) -> dict[str, object]:
    head = parked.get(letter.instance_id) if letter.parks else None
    return {
        "place": str(letter.record.place),
        "at": letter.at,
        "cause": letter.cause,
        "instance": letter.instance_id or None,
        "parks": letter.parks,
        "waiting": head.waiting if head else 0,
    }


def _told_whole(letter: DeadLetter, audits: Sequence[Audit], queue: Sequence[str]) -> dict[str, object]:
    return {
        "place": str(letter.record.place),
        "at": letter.at,
        "cause": letter.cause,
        "instance": letter.instance_id or None,
        "parks": letter.parks,
        "record": shown(letter.record),
        "audit": [
            {
                "at": each.at,
                "who": each.by.who,
                "why": each.by.why,
                "action": each.action,
                "value": shown(each.letter.record)["value"],
                "cause": each.letter.cause,
            }
            for each in audits
        ],
        "queue": list(queue),
    }


def _write_cursor(letter: DeadLetter) -> str:
    at, place = cursor(letter)
    return f"{at}:{place}"


def _read_cursor(text: str) -> tuple[int, Place]:
    at, _, place = text.partition(":")
    if not (at.isascii() and at.isdigit()):
        raise typer.BadParameter(f"{text!r} is no cursor: take it from the end of the page before")
    return int(at), parse_place(place)
