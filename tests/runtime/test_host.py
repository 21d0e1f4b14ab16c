import json

import openvino as ov
import pytest

from benchmarks.quantized import quantize
from benchmarks.topology import random_generator
from runtime import probing
from runtime.errors import OptionError
from runtime.host import HostFeatures, Precision, plan_by_rules, probe_host
from runtime.probing import Trial, choose_plan
from tests.runtime.networks import Stored

BOTH: tuple[Precision, ...] = ("f32", "int8")


def host(*flags, cores=2, quota=None):
    return HostFeatures("Some CPU", frozenset(flags), cores, quota, 1 << 30)


def pretend_machine(root, *, flags="sse avx2", quota=None, memory=None):
    files = {"proc/cpuinfo": f"processor : 0\nmodel name : Some CPU\nflags : {flags}\n"}
    if quota:
        files["sys/fs/cgroup/cpu.max"] = quota
    if memory:
        files["sys/fs/cgroup/memory.max"] = memory
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_machine_can_be_described():
    found = probe_host()
    assert found.cores >= 1
    assert found.cpu in found.words
    assert found.memory_bytes > 1 << 28


def test_features_are_read_from_the_kernel(tmp_path):
    found = probe_host(pretend_machine(tmp_path, flags="fpu avx2 avx512f avx512_vnni amx_bf16"))
    assert (found.has_fast_int8, found.has_fast_bf16) == (True, True)
    assert "AVX-512 VNNI" in found.words


@pytest.mark.parametrize(
    ("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("max 100000", None)]
)
def test_a_quota_of_control_groups_limits_the_cores(tmp_path, quota, cores):
    found = probe_host(pretend_machine(tmp_path, quota=quota))
    assert found.cores == (cores or probe_host().cores)


def test_a_quota_of_old_control_groups_is_read_too(tmp_path):
    folder = pretend_machine(tmp_path) / "sys/fs/cgroup/cpu"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("150000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert probe_host(tmp_path).quota == 1.5


def test_memory_is_what_the_container_may_use(tmp_path):
    assert probe_host(pretend_machine(tmp_path, memory="1000000")).memory_bytes == 1_000_000


def test_a_machine_without_cpuinfo_still_has_a_plan(tmp_path):
    found = probe_host(tmp_path)
    assert plan_by_rules(found, ["f32"]).precision == "f32"
    assert "no vector instructions known" in found.words


@pytest.mark.parametrize(
    ("flags", "installed", "precision"),
    [
        (("avx512f", "avx512_vnni"), BOTH, "int8"),
        (("avx512f", "amx_int8", "amx_bf16"), BOTH, "int8"),
        (("avx512f", "amx_int8", "amx_bf16"), ("f32",), "bf16"),
        (("avx2",), BOTH, "int8"),
        (("avx2",), ("f32",), "f32"),
        (("asimd",), BOTH, "f32"),
    ],
)
def test_the_rules_pick_the_fastest_precision_a_processor_is_made_for(flags, installed, precision):
    plan = plan_by_rules(host(*flags), installed)
    assert plan.precision == precision
    assert plan.why[0].startswith(precision)


def test_a_deterministic_run_computes_in_f32_and_no_faster_way():
    plan = plan_by_rules(host("avx2"), BOTH, is_deterministic=True)
    assert (plan.precision, plan.unrolls_upsampling) == ("f32", False)
    assert plan.compile_config()["INFERENCE_PRECISION_HINT"] == "f32"


def test_bf16_is_refused_where_it_would_be_emulated():
    with pytest.raises(OptionError, match="bf16 needs"):
        plan_by_rules(host("avx2"), BOTH, wanted="bf16")


def test_int8_is_refused_without_its_network():
    with pytest.raises(OptionError, match="quantized"):
        plan_by_rules(host("avx2"), ["f32"], wanted="int8")


def test_threads_are_never_more_than_the_container_may_use():
    assert plan_by_rules(host(cores=3), BOTH, threads=16).threads == 3
    assert plan_by_rules(host(cores=3), BOTH, threads=2).threads == 2


def test_a_live_plan_gives_every_thread_to_one_frame():
    plan = plan_by_rules(host(cores=4), BOTH, is_live=True)
    assert (plan.streams, plan.threads, plan.batch, plan.requests) == (1, 4, 1, 1)


@pytest.mark.parametrize(("flags", "unrolls"), [(("avx2",), True), (("avx2", "avx512f"), False)])
def test_upsampling_is_unrolled_only_where_int8_has_no_other_way(flags, unrolls):
    assert plan_by_rules(host(*flags), BOTH, wanted="int8").unrolls_upsampling is unrolls


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    model = random_generator(0.125)
    ov.save_model(model, folder / "random.xml")
    ov.save_model(quantize(model), folder / "random-int8.xml")
    return {"f32": Stored(folder / "random.xml"), "int8": Stored(folder / "random-int8.xml")}


def test_the_probe_measures_once_and_remembers(files, tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "BUDGET_S", 0.1)
    plan = choose_plan(files, folder=tmp_path, probes=True)
    assert any("measured here" in reason for reason in plan.why)
    monkeypatch.setattr(probing, "measure", None)
    assert choose_plan(files, folder=tmp_path, probes=True) == plan
    assert choose_plan(files, folder=tmp_path) == plan


def test_without_a_record_the_rules_stand(files, tmp_path):
    assert choose_plan(files, folder=tmp_path) == choose_plan(files)
    assert not list(tmp_path.iterdir())


def record(files, folder, monkeypatch, trials):
    monkeypatch.setattr(probing, "measure", lambda *_: trials)
    return choose_plan(files, folder=folder, probes=True)


def test_the_fastest_faithful_way_wins(files, tmp_path, monkeypatch):
    trials = [Trial("f32", False, 10, 0.0), Trial("int8", False, 99, 50.0)]
    assert record(files, tmp_path, monkeypatch, trials).precision == "f32"


def test_a_measurement_never_overrules_the_user(files, tmp_path, monkeypatch):
    record(files, tmp_path, monkeypatch, [Trial("f32", False, 99, 0.0)])
    assert choose_plan(files, wanted="int8", folder=tmp_path).precision == "int8"
    assert choose_plan(files, is_deterministic=True, folder=tmp_path).precision == "f32"


def test_a_broken_record_is_measured_again(files, tmp_path, monkeypatch):
    record(files, tmp_path, monkeypatch, [Trial("f32", False, 99, 0.0)])
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    record(files, tmp_path, monkeypatch, [Trial("f32", False, 77, 0.0)])
    assert json.loads(path.read_text())["trials"][0]["frames_per_s"] == 77
