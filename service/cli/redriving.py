"""`saga dead-letters edit`, `redrive` and `discard`: asked of the running coordinator, one record after the other."""

import difflib
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import typer

from saga_coordinator.handlers.records import Place
from saga_coordinator.service.cli.acting import current_user, given
from saga_coordinator.service.cli.calling import call
from saga_coordinator.service.cli.console import as_json, fail, remark, say
from saga_coordinator.service.cli.explaining import parse_place
from saga_coordinator.service.cli.looking import looking
from saga_coordinator.service.storage.sqlite.dead_letter_queries import (
    DeadLetterFilter,
    letters,
    letters_at,
    parked_behind,
)

MAX_AT_ONCE: Final = 1_000
DONE: Final = "done"


class Asking(NamedTuple):
    """Who asks, why, for which instance; and whether a program reads what came of it."""

    who: str | None
    why: str
    instance: str | None
    is_json: bool

    def body(self, **more: object) -> dict[str, object]:
        """Return what every request says, and more."""
        return {"who": current_user(self.who), "why": self.why, "instance": self.instance, **more}


def chosen(places: Sequence[str], instance: str | None, cause: str | None, *, is_all: bool) -> Sequence[Place]:
    """Return the records that the command line means; end with 2 if it is not clear."""
    if is_all == bool(places) and not (instance and not is_all):
        raise typer.BadParameter("name records, or --instance ID, or --all --cause TEXT")
    if is_all and not cause:
        raise typer.BadParameter("--all needs --cause TEXT: which of them are to be redriven?")
    if cause and not is_all:
        raise typer.BadParameter("--cause goes with --all")
    if places:
        return [parse_place(each) for each in places]
    with looking() as look:
        if is_all:
            found = letters(look.reading, DeadLetterFilter(instance_id=instance, cause=cause), MAX_AT_ONCE)
            return list(dict.fromkeys(each.record.place for each in reversed(found)))
        head = parked_behind(look.reading, [instance or ""]).get(instance or "")
        alone = letters(look.reading, DeadLetterFilter(instance_id=instance), MAX_AT_ONCE)
    found_places = [head.letter.record.place] if head else [each.record.place for each in reversed(alone)]
    if not found_places:
        fail(f"instance {instance} is not parked, and no record failed for it: `saga dead-letters ls` lists all")
    return found_places


def redrive(places: Sequence[Place], asking: Asking, *, is_dry: bool) -> None:
    """Redrive records, and print what became of each; end with 1 if not all are done."""
    ends = []
    for place in places:
        ends.append({"place": str(place)} | call(_path(place, "redrive"), asking.body(dry_run=is_dry)))
        if not asking.is_json:
            _print(ends[-1], "would be " if is_dry else "")
    if asking.is_json:
        as_json(ends)
    elif not ends:
        say("No dead letter has this cause.")
    if any(each["end"] != DONE for each in ends):
        raise typer.Exit(1)


def discard(place: str, asking: Asking) -> None:
    """Discard a record, and print what became of what waited behind it; end with 1 if it was refused."""
    at = parse_place(place)
    told = {"place": str(at)} | call(_path(at, "discard"), asking.body())
    if asking.is_json:
        as_json(told)
    else:
        _print(told, "")
    if told["end"] != DONE:
        raise typer.Exit(1)


def edit(place: str, source: str, asking: Asking, *, is_forced: bool) -> None:
    """Edit a record, and print the difference; end with 1 if it was refused."""
    at, value = parse_place(place), given(source)
    with looking() as look:
        before = next((each.record.value for each in letters_at(look.reading, at)), None)
    told = call(_path(at, "edit"), asking.body(value=b64encode(value).decode(), force=is_forced))
    lines = list(_difference(before or b"", value))
    if asking.is_json:
        as_json({"place": str(at), "end": told["end"], "why": told["why"], "difference": lines})
    else:
        say("\n".join(lines) or "Nothing is different.")
        _print({"place": str(at)} | told, "")
    if told["end"] != DONE:
        raise typer.Exit(1)


def _path(place: Place, verb: str) -> str:
    return f"dead-letters/{place.topic}/{place.partition}/{place.offset}/{verb}"


def _print(told: dict[str, Any], would: str) -> None:
    why = f": {told['why']}" if told["why"] else ""
    tell = say if told["end"] == DONE else remark
    tell(f"{told['place']}: {would}{told['end']}{why}")
    for each in told["records"]:
        reason = f": {each['reason']}" if each["reason"] else ""
        say(f"  {each['place']} {would}{each['verdict']}{reason}")
    if told["sent"]:
        say(f"  {would}sent: {', '.join(told['sent'])}")
    if told["parked_behind"]:
        say(f"  the instance is parked behind {told['parked_behind']}")


def _difference(before: bytes, after: bytes) -> Iterator[str]:
    """Yield how two values differ, line by line."""
    yield from difflib.unified_diff(_lines(before), _lines(after), "before", "after", lineterm="", n=2)


def _lines(value: bytes) -> list[str]:
    """Write a value in lines: one field a line, if it is JSON."""
    text = value.decode(errors="backslashreplace")
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text.splitlines()
    return text.splitlines()
