"""The cache of a process forgets in time, keeps its size, and bears many threads."""

from concurrent.futures import ThreadPoolExecutor

from api.access.key_cache import TtlCache


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_remembered_for_its_time() -> None:
    clock = Clock()
    cache: TtlCache[str] = TtlCache(10, clock)
    cache.put("a", "x", ttl=60)
    clock.now += 59.9
    assert cache.get("a") == ("x",)
    clock.now += 0.1
    assert cache.get("a") is None
    assert len(cache) == 0


def test_none_is_a_value_too() -> None:
    cache: TtlCache[str | None] = TtlCache(10)
    assert cache.get("a") is None
    cache.put("a", None, ttl=5)
    assert cache.get("a") == (None,)


def test_the_oldest_entry_goes_first() -> None:
    cache: TtlCache[int] = TtlCache(2)
    cache.put("a", 1, ttl=60)
    cache.put("b", 2, ttl=60)
    cache.put("a", 3, ttl=60)
    cache.put("c", 4, ttl=60)
    assert [cache.get(key) for key in "abc"] == [(3,), None, (4,)]


def test_a_value_can_be_forgotten() -> None:
    cache: TtlCache[int] = TtlCache(2)
    cache.put("a", 1, ttl=60)
    cache.forget("a")
    cache.forget("b")
    assert cache.get("a") is None


def test_many_threads_share_it() -> None:
    cache: TtlCache[int] = TtlCache(50)

    def work(seed: int) -> None:
        for number in range(500):
            key = str((seed * 7 + number) % 80)
            cache.put(key, int(key), ttl=60)
            assert cache.get(key) in (None, (int(key),))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert len(cache) == 50
