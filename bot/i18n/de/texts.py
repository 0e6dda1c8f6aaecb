"""German for bot/i18n/en/texts.py: the same names, the same placeholders."""

from __future__ import annotations

from bot.i18n.en.texts import ASIDE, NOTICE

# --- answers -----------------------------------------------------------------------------------------------

ASK_ME = NOTICE + "Schreib deine Frage in die Nachricht, in der du mich erwähnst, dann antworte ich."
BUSY = NOTICE + "Gerade warten zu viele Fragen. Bitte frag in einer Minute noch einmal."
TOO_LONG = NOTICE + "Diese Nachricht ist zu lang für mich. Bitte schick eine kürzere."
CLOSING = NOTICE + "Ich starte gerade neu. Bitte frag gleich noch einmal."
FAILED = NOTICE + "Beim Antworten ist etwas schiefgegangen, tut mir leid. Bitte frag noch einmal."
RESTARTING = NOTICE + "Mein Sprachmodell startet gerade neu. Bitte frag in einer Minute noch einmal."
SILENT = NOTICE + "Meine Antwort war leer. Bitte formuliere deine Frage anders und versuch es noch einmal."
STOPPED = NOTICE + "Gestoppt. Du kannst jederzeit wieder fragen."

INTERRUPTED = NOTICE + "Hier wurde ich unterbrochen. Bitte frag noch einmal."
NOT_TAKEN = NOTICE + "Discord lässt mich meine Antwort hier leider nicht posten."
STOP = "Stopp"
AGAIN = "Neu generieren"
MORE = "Fortsetzen"
DELETE = "Löschen"
NOT_YOURS = "Das kann nur, wer gefragt hat, oder jemand aus der Moderation."
NOT_WRITING = "Diese Antwort ist schon fertig."
ALREADY = "Ich schreibe noch an dieser Antwort. Einen Moment bitte."
ANSWER_GONE = "Die Frage zu dieser Antwort ist nicht mehr gespeichert. Bitte stell sie noch einmal."
NOT_HERE = "In diesem Kanal darf ich dir nicht antworten. Wer den Server verwaltet, kann das mit `/settings` ändern."
NO_DIRECT = "Auf Direktnachrichten antworte ich nicht. Bitte frag mich auf einem gemeinsamen Server."


def too_soon(seconds: int) -> str:
    return f"Einen Moment bitte: Du kannst in {seconds} s wieder fragen."


def too_many(at_once: int) -> str:
    return f"Ich beantworte noch {at_once} Fragen von dir. Bitte frag wieder, sobald eine davon fertig ist."


CROWDED = BUSY.removeprefix(NOTICE)


def quota_used(quota: int, until: int) -> str:
    had = "deine eine Antwort für heute" if quota == 1 else f"deine {quota} Antworten für heute"
    return f"Du hast {had} aufgebraucht. Du kannst <t:{until}:R> wieder fragen."


def queue_place(place: int) -> str:
    return f"{NOTICE}Du bist Nummer {place} in der Warteschlange. Deine Antwort kommt gleich."


# --- review ------------------------------------------------------------------------------------------------

APPROVE = "Freigeben"
EDIT = "Bearbeiten"
REJECT = "Ablehnen"
VERDICTS = {"approve": "Freigegeben", "edit": "Bearbeitet", "reject": "Abgelehnt"}
PENDING = "Wartet auf Prüfung"
REMOVED = "Nicht mehr gespeichert"
REMOVED_PARTLY = "Nicht mehr im Training: Teile wurden entfernt"
REMOVED_WHY = "Teile davon wurden entfernt. Es gibt nichts mehr zu prüfen."

CARD_CORRECTED = "Korrigierte Antwort"
CARD_REPLY = "Antwort"
CARD_JUMP = "Zur Nachricht"
NO_WORDS = "(kein Text)"
SOMEBODY = "Jemand"
BASE_MODEL = "Basismodell"

EDIT_TITLE = "Was hätte ich sagen sollen?"
EDIT_LABEL = "Die Antwort, aus der ich lerne"
EDIT_TOO_LONG = (
    "Ein Formular auf Discord fasst 4.000 Zeichen. Diese Antwort ist länger und lässt sich hier nicht bearbeiten."
)
EDIT_EMPTY = "Aus einer leeren Antwort lässt sich nichts lernen. Wenn sie nicht ins Training soll, wähle Ablehnen."

NOT_MY_REPLY = "Das ist keine Antwort von mir. Wähle eine Nachricht, in der ich jemandem geantwortet habe."
NOT_RECORDED = (
    "Diese Antwort ist noch nicht gespeichert. Falls ich noch schreibe, versuch es wieder, wenn ich fertig bin."
)
OTHER_SERVER = "Diese Antwort stammt von einem anderen Server. Nur die Moderation dort kann sie prüfen."
OTHER_CHANNEL = "Diese Antwort kannst du nicht prüfen, weil du ihren Kanal nicht lesen kannst oder nicht moderierst."
REPLY_GONE = "Diese Antwort ist nicht mehr gespeichert; es gibt nichts zu prüfen."

RECORDED = {
    "approve": "Freigegeben. Aus dieser Antwort lerne ich.",
    "edit": "Gespeichert. Ich lerne deine Fassung; die Nachricht im Kanal bleibt, wie sie ist.",
    "reject": "Abgelehnt. Aus dieser Antwort lerne ich nicht.",
}

# --- commands ----------------------------------------------------------------------------------------------

TRAINING_STARTED = "Das Training hat begonnen. Ich antworte weiter und melde mich mit dem Ergebnis."
TRAINING_BUSY = "Es läuft schon ein Training. Das Ergebnis poste ich, sobald es fertig ist."
NOTHING_TO_ROLL_BACK = "Es gibt keinen früheren Adapter. Es antwortet schon das Basismodell."
SERVER_ONLY = "Das geht nur auf einem Server."
NOT_ADMINISTRATOR = "Das geht nur mit der Berechtigung „Server verwalten“."
DISK_FULL = "Das wurde nicht gespeichert, weil meine Festplatte voll ist. Bitte sag meinem Betreiber Bescheid."
DATABASE_BROKEN = "Meine Datenbank funktioniert gerade nicht. Bitte sag meinem Betreiber Bescheid."
DATABASE_BUSY = (
    "Meine Datenbank war zu lange beschäftigt. Es wurde nichts geändert; bitte versuch es gleich noch einmal."
)
FAILED_COMMAND = (
    "Da ist leider etwas schiefgegangen. Ein Teil ist vielleicht schon erledigt; sieh bitte nach, bevor du es noch "
    "einmal versuchst. Einzelheiten stehen im Log des Bots."
)


def not_moderator(role: str | None) -> str:
    permission = "die Berechtigung „Nachrichten verwalten“"
    who = f"die Rolle {role} oder {permission}" if role else permission
    return f"Das kann nur die Moderation. Du brauchst hier {who}."


def verdict_line(verdict: str, reviewer: str) -> str:
    return f"{VERDICTS[verdict]} von {reviewer}"


def adapter_name(adapter: str | None) -> str:
    return f"`{adapter}`" if adapter else BASE_MODEL


def adapter_changed(adapter: str | None, kind: str, reason: str, milliseconds: float) -> str:
    how = {
        "gate": "Der neue Adapter ist besser",
        "use": "Der Betreiber hat einen anderen Adapter gewählt",
        "rollback": "Zurück zu einem früheren Adapter",
    }.get(kind, "Der Adapter wurde gewechselt")
    why = f"\nGrund: {reason}" if reason else ""
    return f"**{how}.** Ab jetzt antwortet {adapter_name(adapter)} (gewechselt in {milliseconds:.0f} ms).{why}"


def voice_changed(adapter: str | None, kind: str, reason: str) -> str:
    how = {
        "gate": "Der neue Adapter ist besser",
        "use": "Ein Moderator hat einen anderen Adapter gewählt",
        "rollback": "Zurück zu einem früheren Adapter",
    }.get(kind, "Der Adapter wurde gewechselt")
    why = f"\nGrund: {reason}" if reason else ""
    return f"**{how}.** Auf diesem Server antwortet ab jetzt {adapter_name(adapter)}.{why}"


def adapter_refused(adapter: str | None, sentence: str, answering: str | None = None) -> str:
    who = adapter_name(answering) if answering else "das Basismodell"
    return f"**{adapter_name(adapter)} ließ sich nicht laden.** Weiterhin antwortet {who}. {sentence}"


BACKGROUND = {
    "backup": "Die tägliche Sicherung",
    "outbox": "Das Nachholen ausstehender Posts",
    "retention": "Das Löschen alter Antworten",
    "erase": "Das endgültige Löschen entfernter Texte aus der Datenbank",
    "adapter": "Die Suche nach einem neuen Adapter",
    "deleted": "Die Suche nach Nachrichten, die gelöscht wurden, während ich offline war,",
    "night": "Das nächtliche Training",
    "memory": "Das Indizieren freigegebener Antworten und Dokumente",
}


def background_failed(name: str) -> str:
    return (
        f"**{BACKGROUND.get(name, name)} ist fehlgeschlagen** und wird später wiederholt. Einzelheiten stehen "
        "im Log des Bots."
    )


def engine_failed(sentence: str) -> str:
    return f"**Die Engine ist ausgefallen** und wird neu gestartet. Bis dahin kann ich nicht antworten. {sentence}"


ENGINE_BACK = "**Die Engine läuft wieder.** Ich kann wieder antworten."


def engine_lost(sentence: str) -> str:
    return (
        "**Die Engine ließ sich nicht neu starten**, deshalb beendet sich der Bot jetzt. Der Betreiber muss ihn neu "
        f"starten. {sentence}"
    )


def training_ended(outcome: str, reason: str) -> str:
    how = {
        "promoted": "Training beendet. Der neue Adapter ist besser und antwortet ab jetzt.",
        "kept": "Training beendet. Der neue Adapter wird nicht verwendet.",
        "skipped": "Das Training wurde übersprungen.",
        "failed": "Das Training ist fehlgeschlagen.",
    }.get(outcome, "Training beendet.")
    return f"**{how}** {reason}".rstrip()


def rolled_back(adapter: str | None) -> str:
    return f"Zurückgesetzt. Ab jetzt antwortet {adapter_name(adapter)}."


def rollback_reason(actor: str) -> str:
    return f"auf Wunsch von {actor}"


# --- /status -----------------------------------------------------------------------------------------------

STATUS_TITLE = "Nightshift"
STATUS_FAILED = "⚠️ Die Engine ist ausgefallen. Sie antwortet erst nach einem Neustart wieder."
STATUS_MODEL = "Basismodell"
STATUS_ADAPTER = "Adapter"
STATUS_QUEUE = "Antworten"
STATUS_PAIRS = "Gespeicherte Antworten"
STATUS_SPEED = "Tempo"
STATUS_MEMORY = "Speicher"
STATUS_SWAP = "Letzter Wechsel"
STATUS_LAST = "Letztes Training"
STATUS_NEXT = "Nächstes Training"
STATUS_LEARNING = "Lernen"
NOT_LEARNING_HERE = (
    "Von diesem Server lerne ich nicht: Nichts, was hier gesagt, freigegeben oder importiert wird, kommt ins Training. "
    "Von welchen Servern ich lerne, bestimmt mein Betreiber."
)
RUN_NOW = "läuft gerade"
NEVER = "noch nie"
NOT_PLANNED = "nicht geplant"
_OUTCOMES = {
    "promoted": "übernommen",
    "kept": "verworfen",
    "skipped": "übersprungen",
    "failed": "fehlgeschlagen",
}


def queue(active: int, queued: int) -> str:
    return f"{active} in Arbeit\n{queued} warten"


def pairs(pending: int, approved: int, rejected: int, eligible: int) -> str:
    return f"{pending} zu prüfen\n{approved} freigegeben\n{rejected} abgelehnt\n{eligible} bereit fürs Training"


def speed(tokens_per_second: float, slots: int) -> str:
    measured = f"{tokens_per_second:.0f} Tokens/s" if tokens_per_second else "noch nicht gemessen"
    return f"{measured}\n{slots} gleichzeitig"


def memory(bytes_: int) -> str:
    return f"{bytes_ / 2**30:.1f} GB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MB"


def minutes(count: float) -> str:
    return f"{count:.0f} min" if count >= 1 else "weniger als eine Minute"


def swap(adapter: str | None, pause_ms: float, waited_ms: float) -> str:
    return f"{adapter_name(adapter)}\n{pause_ms:.0f} ms, nach {waited_ms:.0f} ms Wartezeit"


def last_run(outcome: str | None, when: str, reason: str | None) -> str:
    text = f"{_OUTCOMES.get(outcome or '', outcome or 'unvollständig')} {when}"
    return f"{text}\n{reason}" if reason else text


# --- privacy -----------------------------------------------------------------------------------------------

UNSTORED = (
    f"{ASIDE}Diese Antwort konnte ich nicht speichern, deshalb kann sie niemand prüfen. "
    "Der Grund steht im Log des Bots."
)
EXPORTED = (
    "Das ist alles, was ich über dich gespeichert habe: deine Nachrichten, meine Antworten und deine Entscheidung."
)
FORGET_YES = "Meine Daten löschen"
FORGET_NO = "Abbrechen"
FORGET_KEPT = "Es wurde nichts gelöscht."
FORGET_TIMED_OUT = (
    "Es wurde nichts gelöscht, weil keine Antwort kam. `/privacy forget` kannst du jederzeit wieder verwenden."
)


def exported_part(number: int, parts: int) -> str:
    return (
        f"{EXPORTED} Für eine Datei ist es zu viel. Das ist Teil {number} von {parts}; füge die "
        f"Teile in dieser Reihenfolge zusammen."
    )


LEARNED_WORDS = {
    "messages": "",
    "commands": "Von dem, was ihr schreibt, kommen nur Fragen mit `/ask` ins Training, keine Nachrichten.",
    "nothing": "Zurzeit kommt nichts ins Training, was ihr schreibt.",
}

LOOKED_UP = {
    False: (
        "Fragt jemand auf demselben Server etwas Ähnliches, darf ich außerdem in freigegebenen Antworten nachschlagen, "
        "wenn alle am Gespräch Beteiligten zugestimmt haben."
    ),
    True: (
        "Fragt jemand auf demselben Server etwas Ähnliches, darf ich außerdem in allen freigegebenen Antworten "
        "nachschlagen."
    ),
}


def introduction(operator_consents: bool, words: str = "messages") -> str:
    if words == "commands":
        said = (
            f"{ASIDE}Nachts trainiere ich mit freigegebenen Antworten auf `/ask`, nicht mit Nachrichten. Bei ähnlichen "
            "Fragen darf ich in allen freigegebenen Antworten nachschlagen. "
        )
        if operator_consents:
            return f"{said}Was ich über dich speichere und wie du es löschst, zeigt `/privacy status`."
        return f"{said}Gespräche mit dir nutze ich nur, wenn du zustimmst: `/privacy opt-in` (mehr: `/privacy status`)"
    if operator_consents:
        return (
            f"{ASIDE}Nachts lerne ich aus Antworten, die die Moderation freigibt, und bei ähnlichen Fragen darf ich "
            "darin nachschlagen. Was ich über dich speichere und wie du es löschst, zeigt `/privacy status`."
        )
    return (
        f"{ASIDE}Nachts lerne ich aus Antworten, die die Moderation freigibt, und bei ähnlichen Fragen darf ich darin "
        "nachschlagen. Deine Nachrichten nutze ich nur, wenn du zustimmst: "
        "`/privacy opt-in` (mehr: `/privacy status`)"
    )


def privacy_in(operator_consents: bool, words: str = "messages") -> str:
    looked_up = LOOKED_UP[operator_consents]
    if words != "messages":
        return (
            f"Danke, du hast zugestimmt. {LEARNED_WORDS[words]} {looked_up} "
            "Mit `/privacy opt-out` kannst du das jederzeit ändern."
        )
    if operator_consents:
        return (
            "Danke, du hast zugestimmt. Bei diesem Bot darf ohnehin jede freigegebene "
            f"Antwort ins Training; so hat es der Betreiber festgelegt. {looked_up}"
        )
    return (
        "Du hast zugestimmt. Ich darf jetzt aus deinen Nachrichten und meinen Antworten "
        "lernen, sobald die Moderation sie "
        "freigegeben hat, und in den freigegebenen nachschlagen, wenn jemand hier etwas Ähnliches fragt. "
        "Mit `/privacy opt-out` kannst du das jederzeit ändern."
    )


def privacy_out(operator_consents: bool, words: str = "messages") -> str:
    if operator_consents and words == "commands":
        return (
            "Du hast widersprochen. Bei diesem Bot darf aber jede freigegebene Antwort auf `/ask` ins Training; so hat "
            f"es der Betreiber festgelegt. {LOOKED_UP[True]} "
            "Sprich mit ihm oder lösche deine Daten mit `/privacy forget`."
        )
    if operator_consents and words == "messages":
        return (
            "Du hast widersprochen. Bei diesem Bot darf aber jede freigegebene Antwort ins "
            "Training; so hat es der Betreiber "
            f"festgelegt. {LOOKED_UP[True]} Sprich mit ihm oder lösche deine Daten mit `/privacy forget`."
        )
    if operator_consents:
        return (
            "Du hast widersprochen. Was du schreibst, kommt nicht ins Training. Bei diesem Bot entscheidet aber der "
            f"Betreiber für alle: {LOOKED_UP[True]} Sprich mit ihm oder lösche deine Daten mit `/privacy forget`."
        )
    return (
        "Du hast widersprochen. Ich antworte dir weiterhin, aber was du schreibst, kommt nicht ins Training, und in "
        "freigegebenen Antworten aus Gesprächen mit dir schlage ich nicht nach. "
        "Mit `/privacy opt-in` kannst du das jederzeit ändern; `/privacy forget` löscht, was gespeichert ist."
    )


def privacy_status(
    opted_in: bool | None,
    operator_consents: bool,
    words: str = "messages",
    *,
    messages: int,
    answers: int,
    adapters: int,
    days: float,
) -> str:
    learned = "1 Adapter hat" if adapters == 1 else f"{adapters} Adapter haben"
    lines = [
        "Ich speichere meine Antworten und die Nachrichten davor, damit die Moderation sie prüfen kann.",
        f"Von dir habe ich **{_messages(messages)}** und **{_answers(answers)}** an dich. {learned} daraus gelernt.",
    ]
    if LEARNED_WORDS[words]:
        lines.append(LEARNED_WORDS[words])
    if operator_consents and words != "nothing":
        answer = "Antwort" if words == "messages" else "Antwort auf `/ask`"
        lines.append(
            f"Bei diesem Bot darf jede freigegebene {answer} ins Training; so hat es der Betreiber festgelegt."
        )
    elif not operator_consents:
        lines.append(
            "Eine Antwort kommt nur ins Training, wenn die Moderation sie freigegeben hat und alle Beteiligten des "
            "Gesprächs zugestimmt haben."
        )
        lines.append(
            {
                True: "Du hast **zugestimmt**. `/privacy opt-out` ändert das.",
                False: "Du hast **widersprochen**. `/privacy opt-in` ändert das.",
                None: "Du hast **nicht zugestimmt**, also lerne ich nicht von dir. `/privacy opt-in` ändert das.",
            }[opted_in]
        )
    lines.append(LOOKED_UP[operator_consents])
    if days:
        lines.append(
            f"Antworten werden nach {days:g} Tagen gelöscht, außer sie wurden geprüft oder "
            f"alle Beteiligten haben zugestimmt."
        )
    lines.append("Mit `/privacy export` bekommst du alles als Datei, mit `/privacy forget` löschst du es.")
    return "\n".join(lines)


def forget_question(messages: int, answers: int) -> str:
    return (
        f"Das löscht **{_messages(messages)}** von dir und **{_answers(answers)}** an dich endgültig aus meinem "
        "Speicher und nimmt deine Zustimmung zurück. Adapter, die daraus gelernt haben, werden nach dem nächsten "
        "erfolgreichen Training stillgelegt. Deine Nachrichten auf Discord bleiben; du kannst sie dort löschen.\n"
        "Möchtest du das?"
    )


def forgotten(replies: int, adapters: int) -> str:
    if not replies:
        return "Erledigt. Von dir war nichts gespeichert."
    kept = "1 gespeicherten Antwort" if replies == 1 else f"{replies} gespeicherten Antworten"
    text = f"Erledigt. Deine Nachrichten wurden aus {kept} gelöscht."
    if adapters:
        those = "1 Adapter, der" if adapters == 1 else f"{adapters} Adapter, die"
        learned = "hat" if adapters == 1 else "haben"
        will = "wird" if adapters == 1 else "werden"
        text += f" {those} daraus gelernt {learned}, {will} nach dem nächsten Training stillgelegt."
    return text


def _messages(number: int) -> str:
    return "1 Nachricht" if number == 1 else f"{number} Nachrichten"


def _answers(number: int) -> str:
    return "1 Antwort" if number == 1 else f"{number} Antworten"
