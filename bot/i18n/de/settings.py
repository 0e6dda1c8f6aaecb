"""German for bot/i18n/en/settings.py: the same names, the same placeholders."""

from __future__ import annotations

ONE_TARGET = "Bitte wähle entweder einen Kanal oder eine Rolle, nicht beides."
NOTHING_GIVEN = (
    "Bitte gib an, was sich ändern soll: eine Wartezeit, ein Tageslimit oder eine Rolle mit ihrem Tageslimit."
)
ALLOWED_GONE = (
    "Der letzte Kanal oder die letzte Rolle auf meiner Erlaubnisliste wurde gelöscht. Die Liste ist jetzt leer, also "
    "antworte ich allen. Mit `/settings access` kannst du eine neue anlegen."
)
LISTS_EMPTY = "Beide Listen sind jetzt leer. Ich antworte allen und überall."
BACK_TO_DEFAULT = "Auf den Standard zurückgesetzt."

PROFILE_SET = "Erledigt. So sehe ich auf diesem Server aus."
PROFILE_FORBIDDEN = "Dafür brauche ich auf diesem Server die Berechtigung „Nickname ändern“."
PROFILE_NOT_TAKEN = (
    "Discord hat das nicht angenommen. Es erlaubt nur wenige Änderungen pro Stunde und nicht jeden Namen oder jedes "
    "Bild."
)

PERSONA_TITLE = "Wer soll ich sein?"
PERSONA_LABEL = "Anweisung für jedes Gespräch"
PERSONA_HINT = "Du bist der freundliche Bot einer Gemeinschaft von Holzwerkern. Fass dich kurz."
PERSONA_SET = "Gespeichert. Das gilt ab meiner nächsten Antwort."

TALK = {
    "off": "In {channel} antworte ich, wenn mich jemand erwähnt oder mir antwortet.",
    "name": "In {channel} antworte ich auch, wenn eine Nachricht mit meinem Namen anfängt oder aufhört.",
    "always": "In {channel} antworte ich auf jede Nachricht, die nicht für jemand anderen bestimmt ist.",
}

SHOWN_TITLE = "Meine Einstellungen hier"
SHOWN_PERSONA = "Persona"
SHOWN_ANSWERS = "Antworten"
SHOWN_TALK = "Dieser Kanal"
SHOWN_REVIEW = "Bevor ich poste"
SHOWN_LIMITS = "Für jedes Mitglied"
SHOWN_LISTS = "Wo und wem"
HELD = "In diesem Kanal poste ich meine Antworten, sobald sie freigegeben sind."
NO_PERSONA = "(keine)"
EVERYWHERE = "allen und überall"


def talk(mode: str, channel: str, cooldown: float) -> str:
    pause = f" Nach jeder solchen Antwort warte ich {cooldown:g} s." if cooldown and mode != "off" else ""
    return TALK[mode].format(channel=channel) + pause


def answers(temperature: float, length: int) -> str:
    return f"Temperatur {temperature:g}, höchstens {length} Tokens pro Antwort."


def answer_too_long(length: int, context: int, longest: int) -> str:
    left = f"Bei einer Antwort von {length} blieben {max(0, context - length)} für das Gespräch"
    return f"Gespräch und Antwort teilen sich {context} Tokens. {left}. Bitte wähle höchstens {longest}."


UNSURE_WITHOUT_LOOKUP = (
    "Dafür muss ich zu jeder Frage etwas nachschlagen. Mein Betreiber hat das Nachschlagen aber abgeschaltet."
)


def profile_image(megabytes: int) -> str:
    return f"Bitte wähle ein Bild im Format PNG, JPEG, GIF oder WebP mit höchstens {megabytes} MB."


def unsure_set(threshold: float) -> str:
    if not threshold:
        return "Ich beantworte jede Frage selbst."
    return (
        f"Wenn meine Antwort mit weniger als {100 * threshold:.0f} % Wahrscheinlichkeit stimmt, frage ich zuerst die "
        "Moderation. Meine Antworten erscheinen hier deshalb erst, wenn sie fertig sind."
    )


def answers_set(temperature: float, length: int) -> str:
    return f"Ab meiner nächsten Antwort: {answers(temperature, length)}"


def limits(cooldown: float, quota: int, roles: list[tuple[str, int]]) -> str:
    lines = [f"Wartezeit: {cooldown:g} s" if cooldown else "Wartezeit: keine", f"Antworten pro Tag: {_quota(quota)}"]
    lines += [f"{role}: {_quota(number)}" for role, number in roles]
    return "\n".join(lines)


def _quota(number: int) -> str:
    return str(number) if number else "unbegrenzt"


def lists(allowed: list[str], denied: list[str]) -> str:
    lines = [f"Nur: {', '.join(allowed)}"] if allowed else []
    lines += [f"Nicht: {', '.join(denied)}"] if denied else []
    return "\n".join(lines) or EVERYWHERE


def access_set(rule: str, what: str) -> str:
    return {
        "allow": f"{what} steht auf der Erlaubnisliste. Alles andere ignoriere ich.",
        "deny": f"{what} ignoriere ich ab jetzt.",
        "clear": f"{what} steht auf keiner Liste mehr.",
    }[rule]
