"""`nightshift playground`: the real bot on the real model, in a simulated Discord that a browser shows.

Nothing leaves the machine and no token is needed. It wires the simulated server to the bot and waits; what
happens in the browser runs the same code as on Discord.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from bot.app import Nightshift
from bot.settings import Settings
from bot.simulation.server import (
    BOT_NAME,
    GENERAL_CHANNEL,
    simulate,
    simulated,
    simulated_home,
    train_in_simulation,
)
from model.protocol import ChatEngine
from storage.files.home import Home

__all__ = ["serve_playground"]

_STEP_SECONDS = 1800.0  # one step may hold a whole training run


def _print(line: str) -> None:
    """At once, even into a pipe: somebody waits for the address."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def serve_playground(
    home: Home,
    settings: Settings,
    *,
    say: Callable[[str], None] = _print,
    port: int | None = None,
    engine: ChatEngine | None = None,
) -> None:
    """Serve the playground until it is cancelled or its session is ended in the browser.

    Args:
        home: the state directory; what is said here is kept apart from the rest, in its folder `playground`.
        settings: the bot's settings; the moderator role and review channel become the simulated server's.
        say: told each line a person should read, the address among them.
        port: of the loopback address; None picks a free one.
        engine: an engine to use instead of the local one.

    Raises:
        SimulationMissing: the extra that brings the simulated Discord is not installed.
    """
    # The page shows one channel, so the cards for moderators stand there too.
    settings = simulated(settings, review_channel=GENERAL_CHANNEL)
    place = simulated_home(home.ensure(), "playground")
    say("Starting the bot ...")
    async with (
        Nightshift.open(place, settings, engine=engine, train=train_in_simulation) as app,
        simulate(app.client, settle_timeout=_STEP_SECONDS, check_errors=False) as world,
        world.env.preview(
            world.general,
            viewers=[world.members[0], world.moderator],
            layout="channel",
            port=port,
        ) as preview,
    ):
        say(f"Open {preview.url}")
        say(
            f"As Ada, write a message that begins with @{BOT_NAME}, or reply to the bot. As Mo (Viewing as, at the\n"
            "top), judge its answers with the buttons on the cards, and try /status and /train now. Ctrl-C ends it."
        )
        await app.supervisor.guard(preview.wait_closed())
