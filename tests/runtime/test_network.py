import threading

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from runtime.errors import ModelMismatchError, ModelNotFoundError
from runtime.host import HostPlan
from runtime.network import Network, describe, load_model
from tests.runtime.networks import PLAN, noted

LIVE = HostPlan(streams=1, threads=1, batch=1)
BUSY = HostPlan(streams=2, threads=2, batch=4)


def doubling():
    """A network that doubles ``(N, 4)`` and sums it to ``(N, 1)``."""
    x = ops.parameter([-1, 4], np.float32, name="x")
    doubled = ops.multiply(x, ops.constant(np.float32(2)))
    total = ops.reduce_sum(doubled, ops.constant(1), keep_dims=True)
    model = ov.Model([doubled, total], [x], "doubling")
    for key, value in {"schema": "1", "role": "detector", "crop_size": "96"}.items():
        model.set_rt_info(value, ["mouthpiece", key])
    return model


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "doubling.xml"
    ov.save_model(doubling(), path)
    return path


def rows(count, length=2):
    return [(np.full((length, 4), index, np.float32),) for index in range(count)]


def test_a_network_says_what_it_is_after_a_round_trip(stored):
    model = load_model(stored, role="detector", expected={"crop_size": "96"})
    assert describe(model) == {"schema": "1", "role": "detector", "crop_size": "96"}


@pytest.mark.parametrize(
    ("role", "expected", "key"),
    [("generator", {}, "role"), ("detector", {"crop_size": "128"}, "crop_size")],
)
def test_a_network_for_another_engine_is_refused_by_key(stored, role, expected, key):
    with pytest.raises(ModelMismatchError, match=f"mouthpiece/{key} must be .* found"):
        load_model(stored, role=role, expected=expected)


def test_a_network_that_says_nothing_about_itself_is_refused(tmp_path):
    model = doubling()
    del model.rt_info["mouthpiece"]
    ov.save_model(model, tmp_path / "mute.xml")
    with pytest.raises(ModelMismatchError, match="found 'nothing'"):
        load_model(tmp_path / "mute.xml", role="detector")


@pytest.mark.parametrize("content", [None, b"", b"<net/>", b"\x00" * 100])
def test_a_missing_or_broken_file_is_named(tmp_path, content):
    path = tmp_path / "broken.xml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelNotFoundError, match=r"broken\.xml"):
        load_model(path, role="detector")


@pytest.mark.parametrize("plan", [LIVE, BUSY])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 17])
def test_answers_come_in_the_order_of_the_inputs(plan, count):
    answers = list(Network(doubling(), plan).run(rows(count)))
    assert [float(doubled[0, 0]) for doubled, _ in answers] == [2.0 * i for i in range(count)]


def test_a_live_plan_answers_before_it_asks_for_more():
    pulled: list[object] = []
    network = Network(doubling(), LIVE)
    for index, _ in enumerate(network.run(noted(rows(5), pulled))):
        assert len(pulled) == index + 1


def test_a_slow_reader_holds_back_the_writer():
    pulled: list[object] = []
    answers = Network(doubling(), BUSY).run(noted(rows(50), pulled))
    next(answers)
    assert len(pulled) == BUSY.requests


def test_answers_are_the_callers_to_keep():
    answers = list(Network(doubling(), BUSY).run(rows(9)))
    answers[0][0][:] = -1
    assert [float(doubled[0, 0]) for doubled, _ in answers[1:]] == [2.0 * i for i in range(1, 9)]


@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_fixed_batch_answers_any_smaller_request_by_padding(length):
    network = Network(doubling(), PLAN, batch=4)
    assert network.input_shapes == ((4, 4),)
    doubled, total = network.infer(np.ones((length, 4), np.float32))
    assert doubled.shape == (length, 4)
    assert np.array_equal(total, np.full((length, 1), 8.0))


def test_leaving_early_frees_the_requests_for_the_next_caller():
    network = Network(doubling(), BUSY)
    for _ in range(20):
        answers = network.run(rows(10))
        next(answers)
        answers.close()
    assert len(list(network.run(rows(3)))) == 3


def test_an_error_in_the_inputs_reaches_the_caller():
    def broken():
        yield rows(1)[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(Network(doubling(), BUSY).run(broken()))


def test_threads_share_a_network_without_mixing_answers():
    network = Network(doubling(), BUSY)
    wrong = []

    def ask(value):
        for doubled, _ in network.run([(np.full((2, 4), value, np.float32),)] * 50):
            if not np.all(doubled == 2 * value):
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_warming_up_answers_nothing_and_breaks_nothing():
    network = Network(doubling(), BUSY)
    network.warm_up()
    assert len(list(network.run(rows(2)))) == 2


def test_a_compiled_network_is_kept_on_disk_when_asked(tmp_path):
    Network(doubling(), PLAN, cache_dir=tmp_path)
    assert any(tmp_path.iterdir())
