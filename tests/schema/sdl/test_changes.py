"""What counts as a change that breaks clients, and when something may go."""

from datetime import date
from pathlib import Path

import pytest

from foretell.cli.schema import sdl
from schema.sdl.changes import breaking_changes, dangerous_changes, removal_date

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 20)
DUE = '@deprecated(reason: "Use `b`. Removal on 2026-11-20 UTC.")'
LATER = '@deprecated(reason: "Use `b`. Removal on 2026-11-21 UTC.")'


def query(fields: str, others: str = "") -> str:
    return f"type Query {{ b: Int {fields} }} {others}"


def test_the_schema_breaks_nothing_of_the_last_release() -> None:
    released = (ROOT / "releases" / "schema.graphql").read_text(encoding="utf-8")
    accepted = (ROOT / "releases" / "accepted.txt").read_text(encoding="utf-8").splitlines()

    assert breaking_changes(released, sdl(), date.today()) == []
    assert dangerous_changes(released, sdl(), date.today(), accepted) == []


@pytest.mark.parametrize(
    ("released", "current"),
    [
        (query("a: Int"), query("")),
        (query(f"a: Int {LATER}"), query("")),
        (query('a: Int @deprecated(reason: "Some day.")'), query("")),
        (query("a: Int!"), query("a: Int")),
        (query("a(of: Int): Int"), query("a: Int")),
        (query("a: E", "enum E { X Y }"), query("a: E", "enum E { X }")),
        (query("a(of: I): Int", "input I { x: Int }"), query("a(of: I): Int", "input I { y: Int }")),
        (query("a: T", "type T { x: Int }"), query("a: Int")),
    ],
)
def test_what_takes_something_from_clients_breaks_them(released: str, current: str) -> None:
    assert breaking_changes(released, current, TODAY)


@pytest.mark.parametrize(
    ("released", "current"),
    [
        (query(""), query("a: Int")),
        (query("a: Int"), query(f"a: Int {LATER}")),
        (query(f"a: Int {DUE}"), query("")),
        (query(f"a: Int {DUE}"), query(f"a: Int {DUE}")),
        (query(f"a(of: Int {DUE}): Int"), query("a: Int")),
        (query("a: E", f"enum E {{ X Y {DUE} }}"), query("a: E", "enum E { X }")),
        (query(f"a: T {DUE}", "type T { x: U } type U { y: Int }"), query("")),
        (query(f"a: N {DUE}", "interface N { x: Int } type T implements N { x: Int }"), query("")),
        (query("a(of: I): Int", f"input I {{ x: Int {DUE} z: Int }}"),
         query("a(of: I): Int", "input I { z: Int }")),
    ],
)  # fmt: skip
def test_what_is_added_deprecated_or_was_to_go_by_today_breaks_nobody(released: str, current: str) -> None:
    assert breaking_changes(released, current, TODAY) == []
    assert dangerous_changes(released, current, TODAY) == []


def test_a_type_that_goes_while_something_else_still_led_to_it_breaks_clients() -> None:
    released = query(f"a: T {DUE} c: T", "type T { x: Int }")

    assert "T was removed." in breaking_changes(released, query(""), TODAY)


def test_a_dangerous_change_is_one_until_it_is_accepted() -> None:
    released, current = query("a: E", "enum E { X }"), query("a: E", "enum E { X Y }")

    (found,) = dangerous_changes(released, current, TODAY)

    assert breaking_changes(released, current, TODAY) == []
    assert dangerous_changes(released, current, TODAY, [found]) == []


def test_only_a_date_that_there_is_is_a_date() -> None:
    reasons = ["Removal on 2026-02-28 UTC.", "Removal on 2026-02-30 UTC.", "Removal on 2026-02-28.", ""]

    assert [removal_date(reason) for reason in reasons] == [date(2026, 2, 28), None, None, None]
