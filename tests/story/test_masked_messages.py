"""Where columns are masked, messages do not quote their values either."""

from __future__ import annotations

from odibi.story.values import Cleaner


def test_values_that_messages_quote_are_hidden_and_names_are_not() -> None:
    cleaner = Cleaner(["email"], names=["email", "Users"])
    told = cleaner.told("""'a@b.c' is not INTEGER (column 'email'); node "users" failed on "x' or 'y" """)
    assert told.strip() == """'***' is not INTEGER (column 'email'); node "users" failed on "***\""""


def test_without_a_mask_messages_stay_as_they_are() -> None:
    assert Cleaner().told("'x' is not INTEGER") == "'x' is not INTEGER"
