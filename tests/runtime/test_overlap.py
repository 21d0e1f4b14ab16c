"""A stage in a thread of its own keeps order and bounds."""

import itertools
import threading

import pytest

from runtime.overlap import overlapped


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_what_is_made_comes_in_the_order_of_the_items(count):
    assert list(overlapped(str, range(count), ahead=2, name="t")) == [*map(str, range(count))]


def test_no_more_items_are_pulled_than_allowed():
    items = itertools.count()
    made = overlapped(str, items, ahead=2, name="t")
    assert next(made) == "0"
    assert next(items) == 3


def test_everything_is_made_in_one_other_thread():
    threads = set(overlapped(lambda _: threading.get_ident(), range(5), ahead=2, name="t"))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_what_making_raises_is_raised_in_its_place():
    made = overlapped(lambda item: 1 // item, [2, 1, 0, 1], ahead=1, name="t")
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
