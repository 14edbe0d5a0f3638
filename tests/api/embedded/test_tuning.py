"""Settings follow the machine, within bounds that never starve it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from api.embedded.tuning import render, server_settings

GIB = 2**30


def megabytes(setting: str) -> int:
    assert setting.endswith("MB")
    return int(setting[:-2])


@given(
    memory=st.integers(min_value=GIB // 4, max_value=1024 * GIB),
    cpus=st.integers(1, 256),
    small_shm=st.booleans(),
)
def test_memory_is_shared_with_the_application(memory: int, cpus: int, small_shm: bool) -> None:
    settings = server_settings(port=5000, memory=memory, cpus=cpus, small_shm=small_shm)
    buffers = megabytes(settings["shared_buffers"])
    assert 32 <= buffers <= 512
    assert buffers * 2**20 <= memory // 8
    assert buffers < megabytes(settings["effective_cache_size"]) <= max(64, memory // 2**21)
    assert megabytes(settings["maintenance_work_mem"]) <= 256
    assert int(settings["max_parallel_workers_per_gather"]) < max(2, cpus)
    assert ("dynamic_shared_memory_type" in settings) == small_shm


def test_the_reference_machine() -> None:
    settings = server_settings(port=5000, memory=24 * GIB, cpus=2, small_shm=False)
    assert settings["shared_buffers"] == "512MB"
    assert settings["effective_cache_size"] == "12288MB"
    assert settings["work_mem"] == "32MB"
    assert settings["listen_addresses"] == "127.0.0.1"


def test_values_are_quoted_and_the_owners_file_comes_last(tmp_path: Path) -> None:
    local = tmp_path / "local.conf"
    assert "it''s" in render({"name": "it's"}, local)
    local.write_text("jit = on\n")
    assert render({"jit": "off"}, local).splitlines()[-2:] == ["jit = 'off'", "jit = on"]
