"""Odd JSON is refused as fast as it is read, however many keys stand before the one that is odd."""

import pytest

from saga_coordinator.contracts.json_limits import check_json

KEYS = 100_000


@pytest.mark.timeout(20)  # looking for each key among all took minutes
def test_a_key_that_stands_twice_behind_many_others_is_found_at_once() -> None:
    many = ",".join(f'"{number:x}":0' for number in range(KEYS))
    with pytest.raises(ValueError, match="key 'odd' stands twice"):
        check_json(f'{{{many},"odd":0,"odd":0}}'.encode())
