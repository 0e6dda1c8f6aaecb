"""Conversations on Discord, written as DiscordChatExporter writes them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

from storage.files.discord_export import export_kind, find_speaker, speakers
from storage.files.pair_files import read_voice

ADA, BEN, MO = 101, 102, 103
NAMES = {ADA: ("ada", "Ada"), BEN: ("ben", "Ben the Brave"), MO: ("mo", "Mo")}
START = datetime(2026, 11, 1, 20, 0, tzinfo=UTC)


class Chat:
    """A conversation, written as DiscordChatExporter writes it."""

    def __init__(self):
        self.said = []
        self.now = START

    def say(self, who, text, *, after=1, reply_to=None, kind=None, **more):
        """One message, `after` minutes later; returns its id."""
        self.now += timedelta(minutes=after)
        name, nickname = NAMES[who]
        number = str(5000 + len(self.said))
        message = {
            "id": number,
            "type": kind or ("Reply" if reply_to else "Default"),
            "timestamp": self.now.strftime("%Y-%m-%dT%H:%M:%S.1234567+00:00"),
            "timestampEdited": None,
            "isPinned": False,
            "content": text,
            "author": {"id": str(who), "name": name, "discriminator": "0000", "nickname": nickname, "isBot": False},
            "attachments": [],
            "embeds": [],
            "mentions": [],
        } | more
        if reply_to:
            message["reference"] = {"messageId": reply_to, "channelId": "9", "guildId": "8"}
        self.said.append(message)
        return number

    def json(self, path, **options):
        whole = {
            "guild": {"id": "8", "name": "Workshop [messages]"},
            "channel": {"id": "9", "type": "GuildTextChat", "name": "general", "topic": '{"messages": []}'},
            "dateRange": {"after": None, "before": None},
            "exportedAt": START.isoformat(),
            "messages": self.said,
            "messageCount": len(self.said),
        }
        path.write_text(json.dumps(whole, ensure_ascii=False, **{"indent": 2, **options}), encoding="utf-8")
        return path

    def csv(self, path, delimiter=",", encoding="utf-8", dates="%Y-%m-%dT%H:%M:%S.0000000+00:00"):
        out = io.StringIO()
        rows = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        rows.writerow(["AuthorID", "Author", "Date", "Content", "Attachments", "Reactions"])
        for one in self.said:
            author = one["author"]
            when = datetime.fromisoformat(one["timestamp"]).strftime(dates)
            rows.writerow([author["id"], author["name"], when, one["content"], "", ""])
        path.write_bytes(out.getvalue().encode(encoding))
        return path


def pairs(path, voice="mo", names="keep", **options):
    """Prompt turns as (role, text), and the completion, of every pair."""
    kind = export_kind(path)
    found = read_voice(path, kind, find_speaker(path, speakers(path, kind), voice), names=names, **options)
    return [([(turn.role, turn.content) for turn in one.turns], one.completion) for one in found]
