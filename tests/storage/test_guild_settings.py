"""Settings made on Discord, as the store keeps them."""

from __future__ import annotations

from storage.discord_records import GuildSetting


def test_a_setting_is_kept_for_a_server_and_for_one_channel(store):
    """Both stand beside each other, and the server's come first."""
    store.set_guild_setting(1, "persona", "You are kind.", channel_id=7)
    store.set_guild_setting(1, "persona", "You are terse.")
    assert store.guild_settings() == [
        GuildSetting(1, 0, "persona", "You are terse."),
        GuildSetting(1, 7, "persona", "You are kind."),
    ]


def test_the_last_value_of_a_setting_stands(store):
    """Writing again replaces; values are whatever JSON can hold."""
    store.set_guild_setting(1, "role_quotas", {"5": 10})
    store.set_guild_setting(1, "role_quotas", {"5": 20, "6": 0})
    assert [one.value for one in store.guild_settings()] == [{"5": 20, "6": 0}]


def test_none_goes_back_to_the_default(store):
    """What is not stored is the operator's to say."""
    store.set_guild_setting(1, "temperature", 0.2)
    store.set_guild_setting(1, "temperature", None)
    assert store.guild_settings() == []
