import threading

import pytest

from mlimage.parallel import at_once


def test_results_keep_their_order() -> None:
    both = threading.Barrier(2, timeout=10)

    def work(number: int) -> int:
        both.wait()  # passes only when two are at it
        return number * number

    assert list(at_once(work, range(10), threads=2)) == [number * number for number in range(10)]
    assert list(at_once(work, [])) == []


def test_an_error_is_raised_and_nobody_waits_for_the_others() -> None:
    let_go = threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("first")
        let_go.wait(60)
        done.append(number)

    with pytest.raises(ValueError, match="first"):
        list(at_once(work, range(100), threads=3))
    assert done == []
    let_go.set()


def test_what_was_not_begun_is_not_begun_after_the_caller_stopped() -> None:
    begun: list[int] = []
    let_go = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            let_go.wait(60)
        return number

    results = at_once(work, range(10), threads=2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]  # it is a generator
    let_go.set()
    for thread in threading.enumerate():
        if thread.daemon and "loop" in thread.name:
            thread.join(10)
    assert max(begun) <= 2


@pytest.mark.parametrize("joined", [False, True])
def test_who_cleans_up_may_wait_for_what_is_under_way(joined: bool) -> None:  # noqa: FBT001 - a parameter
    begun, let_go = threading.Event(), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            begun.wait(60)
            raise ValueError("first")
        begun.set()
        let_go.wait(60)
        done.append(number)

    if joined:
        threading.Timer(0.2, let_go.set).start()
    with pytest.raises(ValueError, match="first"):
        list(at_once(work, range(100), threads=2, joined=joined))
    assert (1 in done) == joined
    let_go.set()
