"""`make bench ARGS="--only machine"`: what one transition costs, measured without Kafka."""

import json

import pytest

from tests.bench.__main__ import main

SIGNALS = {
    "order_placed", "stock_reserved", "card_charged", "order_shipped", "customer_notified", "shipping_refused",
    "card_refunded", "stock_released",
}  # fmt: skip
OF_A_LIST = {
    "start_per_command", "first_reply", "middle_reply", "last_reply", "compensate_per_command", "undo_first_reply",
    "undo_middle_reply", "undo_last_reply",
}  # fmt: skip


def test_every_signal_of_an_order_and_of_a_long_list_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "machine", "--quick", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)

    assert set(report) == {"machine", "runs", "machine_us"}
    assert report["runs"] == []
    assert report["machine"]["kafka"] is None
    assert set(report["machine_us"]) == {"order_fulfilment", "for_each_1000"}
    order, of_a_list = report["machine_us"]["order_fulfilment"], report["machine_us"]["for_each_1000"]
    assert set(order) == {"median", *SIGNALS}
    assert set(of_a_list) == OF_A_LIST
    assert all(took > 0 for took in (*order.values(), *of_a_list.values()))
    assert order["median"] in order.values()


def test_the_table_names_every_signal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "machine", "--quick"]) == 0
    shown = capsys.readouterr().out

    for signal in SIGNALS:
        assert signal.replace("_", "-") in shown
    for signal in OF_A_LIST:
        assert signal.replace("_", " ") in shown


def test_a_part_that_there_is_not_ends_with_2() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "disk"])
    assert ended.value.code == 2
