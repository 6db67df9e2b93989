"""Memory that is kept: no new pages for arrays that were there before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unetscope.network import memory
from unetscope.network.memory import kept_memory

# In a process of its own, because what was allocated before decides what is free. The arrays are larger than
# anything that glibc keeps by itself, which is up to 32 MiB.
PAGES = """
import resource
from unetscope.network.memory import kept_memory

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        b"x" * (48 * 2**20)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 2**20

print(new_pages())
with kept_memory():
    new_pages()
    print(new_pages())
"""


@pytest.mark.skipif(memory._glibc() is None, reason="another C library")
def test_arrays_get_the_pages_of_those_before() -> None:
    done = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, check=True)
    before, kept = map(float, done.stdout.split())
    # How large a page is, is the system's choice.
    assert 5 * kept < before


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the C library has been asked for."""
    called: list[object] = []

    class Library:
        def mallopt(self, parameter: int, value: int) -> None:
            called.append((parameter, value))

        def malloc_trim(self, pad: int) -> None:
            called.append(pad)

    monkeypatch.setattr(memory, "_glibc", Library)
    return called


def test_an_error_ends_it(called: list[object]) -> None:
    with pytest.raises(ZeroDivisionError), kept_memory():
        _ = 1 // len("")
    assert called == [(-4, 0), (-1, -1), (-4, 65536), (-1, 131072), 0]


def test_it_ends_with_the_outermost(called: list[object]) -> None:
    with kept_memory():
        called.clear()
        with kept_memory():
            pass
        assert called == []
    assert called == [(-4, 65536), (-1, 131072), 0]


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with kept_memory():
        assert len(b"x" * 48) == 48
