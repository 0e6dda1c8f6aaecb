"""German for bot/i18n/en/settings.py: the same names, the same placeholders."""

from __future__ import annotations

ONE_TARGET = "Nenne entweder einen Kanal oder eine Rolle, dann stelle ich es dafür ein."
NOTHING_GIVEN = "Sag, was sich ändern soll: eine Wartezeit, eine Höchstzahl oder eine Rolle mit ihrer Höchstzahl."
ALLOWED_GONE = (
    "Der letzte Kanal oder die letzte Rolle auf der Liste derer, denen ich antworte, wurde gelöscht. Die Liste ist "
    "jetzt leer und schließt niemanden mehr aus. Mit `/settings access` legst du eine neue an."
)
LISTS_EMPTY = "Auf beiden Listen steht nichts mehr: Ich antworte überall und allen."
BACK_TO_DEFAULT = "Zurück auf die Voreinstellung."

PERSONA_TITLE = "Wer soll ich sein?"
PERSONA_LABEL = "Was mir vor jedem Gespräch gesagt wird"
PERSONA_HINT = "Du bist der freundliche Bot einer Gemeinschaft von Holzwerkern. Fass dich kurz."
PERSONA_SET = "Das bin ich ab meiner nächsten Antwort."

TALK = {
    "off": "In {channel} antworte ich, wenn ich erwähnt werde oder man mir antwortet.",
    "name": "In {channel} antworte ich auch, wenn eine Nachricht mit meinem Namen anfängt oder aufhört.",
    "always": "In {channel} antworte ich auf jede Nachricht, die nicht für jemand anderen ist.",
}

SHOWN_TITLE = "Meine Einstellungen hier"
SHOWN_PERSONA = "Persona"
SHOWN_ANSWERS = "Antworten"
SHOWN_TALK = "Dieser Kanal"
SHOWN_LIMITS = "Für jedes Mitglied"
SHOWN_LISTS = "Wo und wem"
NO_PERSONA = "(keine)"
EVERYWHERE = "überall und allen"


def talk(mode: str, channel: str, cooldown: float) -> str:
    pause = f" Nach jeder solchen Antwort warte ich {cooldown:g} s." if cooldown and mode != "off" else ""
    return TALK[mode].format(channel=channel) + pause


def answers(temperature: float, length: int) -> str:
    return f"Temperatur {temperature:g}, höchstens {length} Tokens je Antwort."


def answer_too_long(length: int, context: int, longest: int) -> str:
    left = f"Bei einer Antwort von {length} blieben {max(0, context - length)} für das, was vorher gesagt wurde"
    return (
        f"Ich überblicke {context} Tokens auf einmal, Gespräch und Antwort zusammen. {left}. Wähle höchstens {longest}."
    )


def answers_set(temperature: float, length: int) -> str:
    return f"Ab meiner nächsten Antwort: {answers(temperature, length)}"


def limits(cooldown: float, quota: int, roles: list[tuple[str, int]]) -> str:
    lines = [f"Wartezeit: {cooldown:g} s" if cooldown else "Wartezeit: keine", f"Antworten am Tag: {_quota(quota)}"]
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
        "allow": f"{what} steht auf der Liste derer, denen ich antworte; was nicht darauf steht, lasse ich in Ruhe.",
        "deny": f"{what} lasse ich ab jetzt in Ruhe.",
        "clear": f"{what} steht auf keiner Liste mehr.",
    }[rule]
