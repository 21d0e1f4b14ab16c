from runtime.timing import STAGES, StageTimer


def test_every_stage_is_reported_even_if_it_never_ran():
    assert set(StageTimer().seconds()) == set(STAGES)


def test_time_spent_pulling_an_iterator_counts_for_its_stage_alone():
    timer = StageTimer()
    assert list(timer.timed("infer", iter([1, 2]))) == [1, 2]
    assert timer.seconds()["infer"] > 0
    assert timer.seconds()["blend"] == 0


def test_an_error_inside_a_stage_still_counts_its_time():
    timer = StageTimer()
    try:
        with timer("mel"):
            raise ValueError
    except ValueError:
        pass
    assert timer.seconds()["mel"] > 0


def test_a_stage_is_not_charged_for_the_stage_it_pulls_from():
    timer = StageTimer()

    def slow():
        yield sum(range(300_000))

    with timer("infer"):
        list(timer.timed("decode", slow()))
    seconds = timer.seconds()
    assert seconds["decode"] > seconds["infer"]
