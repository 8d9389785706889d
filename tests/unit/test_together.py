"""What several threads hand in is done in groups, and each hears of its own only."""

import threading

import pytest

from ledger.errors import Conflict, LedgerUnavailable, Unavailable
from ledger.services import together
from ledger.services.together import MOST, Together


class Work:
    """Records its groups; the first one waits until it is let go."""

    def __init__(self, wrong=()):
        self.groups, self.wrong = [], wrong
        self.started, self.go = threading.Event(), threading.Event()

    def __call__(self, group):
        self.groups.append(list(group))
        if len(self.groups) == 1:
            self.started.set()
            assert self.go.wait(10)
        for one in group:
            if one in self.wrong:
                raise self.wrong[one]
        return [Conflict("refused") if one == "refused" else f"made of {one}" for one in group]


def hand_in(work, names):
    """What each thread hears: the first is at work while the others come."""
    group, heard = Together(work), {}

    def hand(name):
        try:
            heard[name] = group.hand(name)
        except Exception as error:  # noqa: BLE001 (it is looked at)
            heard[name] = error

    threads = [threading.Thread(target=hand, args=(name,)) for name in ("first", *names)]
    threads[0].start()
    assert work.started.wait(10)
    for thread in threads[1:]:
        thread.start()
        while name_waits(group) < threads.index(thread):
            pass
    work.go.set()
    for thread in threads:
        thread.join(10)
    return heard


def name_waits(group):
    return len(group._waiting)


def test_what_comes_meanwhile_is_done_together_and_in_order():
    work = Work()
    heard = hand_in(work, ["a", "b", "c"])
    assert work.groups == [["first"], ["a", "b", "c"]]
    assert heard == {name: f"made of {name}" for name in ("first", "a", "b", "c")}


def test_no_group_is_larger_than_agreed():
    work = Work()
    heard = hand_in(work, [str(number) for number in range(MOST + 1)])
    assert [len(group) for group in work.groups] == [1, MOST, 1]
    assert len(heard) == MOST + 2


def test_one_that_is_refused_is_its_own_problem():
    heard = hand_in(Work(), ["a", "refused", "c"])
    assert isinstance(heard["refused"], Conflict)
    assert heard["a"] == "made of a"
    assert heard["c"] == "made of c"


def test_one_that_breaks_the_group_is_done_apart():
    work = Work({"b": ZeroDivisionError("a defect")})
    heard = hand_in(work, ["a", "b", "c"])
    assert work.groups == [["first"], ["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert isinstance(heard["b"], ZeroDivisionError)
    assert heard["c"] == "made of c"


def test_a_node_that_does_not_answer_is_asked_once_for_all():
    work = Work({"b": LedgerUnavailable("silence")})
    heard = hand_in(work, ["a", "b", "c"])
    assert work.groups == [["first"], ["a", "b", "c"]]
    assert all(isinstance(heard[name], LedgerUnavailable) for name in ("a", "b", "c"))


def test_nobody_waits_for_ever_and_what_was_given_up_is_not_done(monkeypatch):
    monkeypatch.setattr(together, "WAIT", 0.01)
    work = Work()
    group = Together(work)
    thread = threading.Thread(target=group.hand, args=("first",))
    thread.start()
    assert work.started.wait(10)
    with pytest.raises(Unavailable, match="Ask again"):
        group.hand("late")
    work.go.set()
    thread.join(10)
    assert group.hand("next") == "made of next"
    assert work.groups == [["first"], ["next"]]
