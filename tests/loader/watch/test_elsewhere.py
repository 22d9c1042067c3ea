from loader.watch.elsewhere import Elsewhere
from loader.watch.fellows import ALONE, Fellows

FELLOWS = Fellows(group="a1b2")
FELLOW, STRANGER = "here:7:a1b2.1", "here:7:ffff0000"


def test_fellows_are_known_by_their_group() -> None:
    assert FELLOWS.include(FELLOW)
    assert not FELLOWS.include(STRANGER)
    assert not FELLOWS.include("")
    assert not ALONE.include("here:7:.1")


def test_a_loader_that_is_alone_asks_at_once() -> None:
    assert Elsewhere(ALONE).may_ask("edge", 100.0, holding=9)


def test_who_holds_more_waits_longer_for_a_new_sensor() -> None:
    waits = {}
    for holding in (0, 1, 2, 100):
        elsewhere, now = Elsewhere(FELLOWS), 100.0
        while not elsewhere.may_ask("edge", now, holding):
            now += 0.125
        waits[holding] = now - 100.0
    assert waits == {0: 0.0, 1: 0.25, 2: 0.5, 100: 1.0}


def test_a_clock_that_is_set_back_makes_nobody_wait() -> None:
    elsewhere = Elsewhere(FELLOWS)
    assert not elsewhere.may_ask("edge", 100.0, holding=2)
    assert elsewhere.may_ask("edge", 50.0, holding=2)


def test_a_held_sensor_is_asked_for_again_and_many_no_oftener_together() -> None:
    elsewhere = Elsewhere(ALONE)
    assert elsewhere.is_held("edge", STRANGER, 100.0)
    assert not elsewhere.may_ask("edge", 100.5, holding=0)
    assert elsewhere.may_ask("edge", 101.0, holding=0)
    for number in range(50):
        elsewhere.is_held(f"sensor-{number}", STRANGER, 200.0)
    assert not elsewhere.may_ask("sensor-49", 204.0, holding=0)
    assert elsewhere.may_ask("sensor-49", 205.5, holding=0)


def test_however_many_are_held_each_is_waited_for() -> None:
    elsewhere = Elsewhere(ALONE)
    for number in range(1_000):
        elsewhere.is_held(f"sensor-{number}", STRANGER, 200.0)
    assert not any(elsewhere.may_ask("sensor-999", 200.0 + wait, holding=0) for wait in range(29))
    assert elsewhere.may_ask("sensor-999", 230.0, holding=0)


def test_only_strangers_are_told_of_and_each_once() -> None:
    elsewhere = Elsewhere(FELLOWS)
    assert not elsewhere.is_held("office", FELLOW, 100.0)
    assert elsewhere.holder("office") == FELLOW
    assert elsewhere.is_held("edge", STRANGER, 100.0)
    assert not elsewhere.is_held("edge", STRANGER, 101.0)


def test_what_a_stranger_had_is_left_to_nobody() -> None:
    elsewhere = Elsewhere(FELLOWS)
    elsewhere.is_held("edge", STRANGER, 100.0)
    assert elsewhere.may_ask("edge", 101.0, holding=9)


def test_when_a_fellow_has_ended_all_are_asked_for_at_once() -> None:
    elsewhere = Elsewhere(FELLOWS)
    elsewhere.is_held("edge", FELLOW, 100.0)
    elsewhere.ask_at_once()
    assert elsewhere.may_ask("edge", 100.0, holding=0)
    assert elsewhere.holder("edge") == ""


def test_what_was_given_away_is_not_taken_back_soon() -> None:
    elsewhere = Elsewhere(FELLOWS)
    elsewhere.is_given_away("edge", 100.0)
    assert not elsewhere.may_ask("edge", 104.0, holding=0)
    assert elsewhere.may_ask("edge", 105.0, holding=0)
