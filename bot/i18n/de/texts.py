"""German for bot/i18n/en/texts.py: the same names, the same placeholders."""

from __future__ import annotations

from bot.i18n.en.texts import ASIDE, NOTICE

# --- answers -----------------------------------------------------------------------------------------------

ASK_ME = NOTICE + "Schreib deine Frage in dieselbe Nachricht wie meinen Namen, dann antworte ich."
BUSY = NOTICE + "Gerade warten mehr Fragen, als ich mir merken kann. Bitte frag in einer Minute noch einmal."
TOO_LONG = NOTICE + "Diese Nachricht ist länger, als ich lesen kann. Bitte frag mit einer kürzeren."
CLOSING = NOTICE + "Ich mache kurz Pause. Bitte frag gleich noch einmal."
FAILED = NOTICE + "Beim Antworten ist etwas schiefgegangen, tut mir leid. Bitte frag noch einmal."
RESTARTING = NOTICE + "Mein antwortender Teil muss neu starten. Bitte frag in einer Minute noch einmal."
SILENT = NOTICE + "Dazu habe ich keine Worte gefunden. Bitte versuch es anders zu sagen."
STOPPED = NOTICE + "Angehalten. Frag einfach wieder, wenn du magst."

INTERRUPTED = NOTICE + "Hier wurde ich unterbrochen. Bitte frag noch einmal."
NOT_TAKEN = NOTICE + "Discord lässt mich meine Antwort hier nicht zeigen, tut mir leid."
STOP = "Stopp"
AGAIN = "Anders versuchen"
MORE = "Weiter"
DELETE = "Löschen"
NOT_YOURS = "Das kann nur, wer gefragt hat, oder jemand aus der Moderation."
NOT_WRITING = "An dieser Antwort wird nicht mehr geschrieben."
ALREADY = "Ich schreibe dort schon. Einen Moment bitte."
ANSWER_GONE = "Ich habe nicht mehr, was zu dieser Antwort geführt hat. Bitte frag noch einmal."
NOT_HERE = "In diesem Kanal soll ich dir nicht antworten. Wer den Server verwaltet, kann das mit `/settings` ändern."
NO_DIRECT = "Auf Direktnachrichten antworte ich nicht. Bitte frag mich auf einem Server, auf dem wir beide sind."


def too_soon(seconds: int) -> str:
    return f"Einen Moment bitte: In {seconds} s kannst du wieder fragen."


def too_many(at_once: int) -> str:
    return f"Ich bin noch mit {at_once} Fragen von dir beschäftigt. Frag wieder, wenn eine davon beantwortet ist."


CROWDED = BUSY.removeprefix(NOTICE)


def quota_used(quota: int, until: int) -> str:
    had = "deine eine Antwort für heute" if quota == 1 else f"deine {quota} Antworten für heute"
    return f"Du hast {had} bekommen. <t:{until}:R> kannst du wieder fragen."


def queue_place(place: int) -> str:
    return f"{NOTICE}Ich komme zu dir: Du bist Nummer {place} in der Schlange."


# --- review ------------------------------------------------------------------------------------------------

APPROVE = "Annehmen"
EDIT = "Bearbeiten"
REJECT = "Ablehnen"
VERDICTS = {"approve": "Angenommen", "edit": "Bearbeitet", "reject": "Abgelehnt"}
PENDING = "Wartet auf ein Urteil"
REMOVED = "Nicht mehr gespeichert"
REMOVED_PARTLY = "Daraus lerne ich nicht mehr: Ein Teil wurde entfernt"
REMOVED_WHY = "Was hier stand, wurde entfernt. Es gibt nichts mehr zu beurteilen."

CARD_CORRECTED = "Hätte sagen sollen"
CARD_REPLY = "Antwort"
CARD_JUMP = "Dorthin springen"
NO_WORDS = "(keine Worte)"
SOMEBODY = "Jemand"
BASE_MODEL = "Basismodell"

EDIT_TITLE = "Was hätte ich sagen sollen?"
EDIT_LABEL = "Die Antwort, aus der ich lerne"
EDIT_TOO_LONG = (
    "Diese Antwort ist länger als die 4.000 Zeichen, die ein Formular auf Discord fasst, "
    "und kann hier nicht bearbeitet werden."
)
EDIT_EMPTY = (
    "Aus einer leeren Antwort lässt sich nichts lernen. Soll diese Antwort nicht ins Training, dann nimm Ablehnen."
)

NOT_MY_REPLY = "Das ist keine Antwort von mir. Nimm eine Nachricht, in der ich jemandem geantwortet habe."
NOT_RECORDED = (
    "Diese Antwort kenne ich noch nicht. Falls ich noch daran schreibe, versuch es wieder, wenn ich fertig bin."
)
OTHER_SERVER = "Diese Antwort gab es auf einem anderen Server. Nur dessen Moderation kann darüber urteilen."
OTHER_CHANNEL = (
    "Diese Antwort gab es in einem Kanal, den du nicht lesen kannst oder nicht moderierst. "
    "Deshalb kannst du nicht darüber urteilen."
)
REPLY_GONE = "Diese Antwort ist nicht mehr gespeichert; es gibt nichts zu beurteilen."

RECORDED = {
    "approve": "Angenommen. Aus dieser Antwort lerne ich.",
    "edit": "Gespeichert. Ich lerne deine Fassung; die Nachricht im Kanal bleibt, wie sie ist.",
    "reject": "Abgelehnt. Aus dieser Antwort lerne ich nicht.",
}

# --- commands ----------------------------------------------------------------------------------------------

TRAINING_STARTED = "Ein Training hat begonnen. Ich antworte weiter und sage dir, wie es ausgeht."
TRAINING_BUSY = "Es läuft schon ein Training. Sein Ergebnis wird bekanntgegeben, wenn es fertig ist."
NOTHING_TO_ROLL_BACK = "Es gibt keinen früheren Adapter, zu dem es zurückginge: Schon jetzt antwortet das Basismodell."
SERVER_ONLY = "Das geht nur auf einem Server."
NOT_ADMINISTRATOR = "Das kann nur, wer den Server verwaltet: Es braucht das Recht „Server verwalten“."
DISK_FULL = "Die Festplatte meines Rechners ist voll, deshalb ist das nicht gespeichert. Bitte sag es meinem Betreiber."
DATABASE_BROKEN = "Meine Datenbank lässt sich gerade nicht lesen oder schreiben. Bitte sag es meinem Betreiber."
DATABASE_BUSY = "Meine Datenbank war zu lange beschäftigt. Es ist nichts geschehen; bitte versuch es gleich noch mal."
FAILED_COMMAND = (
    "Da ist etwas schiefgegangen, tut mir leid. Wie viel davon schon geschehen ist, weiß ich nicht: Sieh nach, bevor "
    "du es noch einmal versuchst. Mehr steht im Protokoll auf meinem Rechner."
)


def not_moderator(role: str | None) -> str:
    who = f"die Rolle {role} oder das Recht „Nachrichten verwalten“" if role else "das Recht „Nachrichten verwalten“"
    return f"Das kann nur die Moderation: Es braucht hier {who}."


def verdict_line(verdict: str, reviewer: str) -> str:
    return f"{VERDICTS[verdict]} von {reviewer}"


def adapter_name(adapter: str | None) -> str:
    return f"`{adapter}`" if adapter else BASE_MODEL


def adapter_changed(adapter: str | None, kind: str, reason: str, milliseconds: float) -> str:
    how = {
        "gate": "Ein neu trainierter Adapter hat gewonnen",
        "use": "Wer mich betreibt, hat einen anderen Adapter gewählt",
        "rollback": "Es ging zu einem früheren Adapter zurück",
    }.get(kind, "Der Adapter hat gewechselt")
    why = f"\nGrund: {reason}" if reason else ""
    return f"**{how}.** Ab jetzt antwortet {adapter_name(adapter)} (gewechselt in {milliseconds:.0f} ms).{why}"


def adapter_refused(adapter: str | None, sentence: str, answering: str | None = None) -> str:
    who = adapter_name(answering) if answering else "das Basismodell"
    return f"**{adapter_name(adapter)} ließ sich nicht laden.** Es antwortet weiter {who}. {sentence}"


BACKGROUND = {
    "outbox": "Das Zeigen dessen, was noch nicht auf Discord steht,",
    "retention": "Das Löschen alter Antworten",
    "erase": "Das endgültige Löschen entfernter Worte in der Datenbank",
    "adapter": "Die Suche nach einem neuen Adapter",
    "deleted": "Die Suche nach Nachrichten, die während meiner Abwesenheit gelöscht wurden,",
    "night": "Das nächtliche Training",
}


def background_failed(name: str) -> str:
    return (
        f"**{BACKGROUND.get(name, name)} ist fehlgeschlagen** und wird später wiederholt. Mehr steht im "
        "Protokoll auf meinem Rechner."
    )


def engine_failed(sentence: str) -> str:
    return f"**Die Engine ist ausgefallen** und wird neu gestartet; solange wird nichts beantwortet. {sentence}"


ENGINE_BACK = "**Die Engine läuft wieder** und antwortet."


def engine_lost(sentence: str) -> str:
    return (
        "**Die Engine ließ sich nicht neu starten**, deshalb beendet sich der Bot jetzt. Wer ihn betreibt, muss ihn "
        f"neu starten. {sentence}"
    )


def training_ended(outcome: str, reason: str) -> str:
    how = {
        "promoted": "Training beendet: Der neue Adapter hat gewonnen und antwortet.",
        "kept": "Training beendet: Der neue Adapter wird nicht verwendet.",
        "skipped": "Das Training wurde ausgelassen.",
        "failed": "Das Training ist gescheitert.",
    }.get(outcome, "Training beendet.")
    return f"**{how}** {reason}".rstrip()


def rolled_back(adapter: str | None) -> str:
    return f"Zurückgesetzt: Ab jetzt antwortet {adapter_name(adapter)}."


def rollback_reason(actor: str) -> str:
    return f"gewünscht von {actor}"


# --- /status -----------------------------------------------------------------------------------------------

STATUS_TITLE = "Nightshift"
STATUS_FAILED = "⚠️ Die Engine ist ausgefallen und antwortet erst wieder, wenn sie neu gestartet ist."
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
    "Von diesem Server lerne ich nicht: Nichts, was hier gesagt, angenommen oder importiert wird, kommt ins Training. "
    "Von welchen Servern ich lerne, bestimmt, wer mich betreibt."
)
RUN_NOW = "läuft gerade"
NEVER = "noch nie"
NOT_PLANNED = "nicht geplant"
_OUTCOMES = {"promoted": "übernommen", "kept": "nicht übernommen", "skipped": "ausgelassen", "failed": "gescheitert"}


def queue(active: int, queued: int) -> str:
    return f"{active} in Arbeit\n{queued} warten"


def pairs(pending: int, approved: int, rejected: int, eligible: int) -> str:
    return f"{pending} zu beurteilen\n{approved} angenommen\n{rejected} abgelehnt\n{eligible} bereit fürs Training"


def speed(tokens_per_second: float, slots: int) -> str:
    measured = f"{tokens_per_second:.0f} Tokens/s" if tokens_per_second else "noch nicht gemessen"
    return f"{measured}\n{slots} zugleich"


def memory(bytes_: int) -> str:
    return f"{bytes_ / 2**30:.1f} GB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MB"


def minutes(count: float) -> str:
    return f"{count:.0f} min" if count >= 1 else "weniger als eine Minute"


def swap(adapter: str | None, pause_ms: float, waited_ms: float) -> str:
    return f"{adapter_name(adapter)}\n{pause_ms:.0f} ms, nach {waited_ms:.0f} ms Warten"


def last_run(outcome: str | None, when: str, reason: str | None) -> str:
    text = f"{_OUTCOMES.get(outcome or '', outcome or 'unvollendet')} {when}"
    return f"{text}\n{reason}" if reason else text


# --- privacy -----------------------------------------------------------------------------------------------

UNSTORED = (
    f"{ASIDE}Diese Antwort konnte ich nicht speichern; niemand kann sie beurteilen. "
    "Wer mich betreibt, findet den Grund im Log."
)
EXPORTED = "Das ist alles, was ich von dir gespeichert habe: deine Nachrichten, meine Antworten und deine Entscheidung."
FORGET_YES = "Vergiss mich"
FORGET_NO = "Alles behalten"
FORGET_KEPT = "Nichts wurde geändert."
FORGET_TIMED_OUT = "Nichts wurde geändert, denn es kam keine Antwort. Nimm `/privacy forget`, wann immer du magst."


def exported_part(number: int, parts: int) -> str:
    return f"{EXPORTED} Für eine Datei ist es zu viel. Teil {number} von {parts}; füge sie so zusammen."


def introduction(operator_consents: bool) -> str:
    if operator_consents:
        return (
            f"{ASIDE}Nachts lerne ich aus Antworten, die die Moderation annimmt. "
            "Was ich von dir aufhebe und wie du es löschst: `/privacy status`"
        )
    return (
        f"{ASIDE}Nachts lerne ich aus Antworten, die die Moderation annimmt, aus deinen nur, wenn du es erlaubst: "
        "`/privacy opt-in` (mehr: `/privacy status`)"
    )


def privacy_in(operator_consents: bool) -> str:
    if operator_consents:
        return (
            "Notiert, danke: Du hast zugestimmt. Wer mich betreibt, hat ohnehin festgelegt, "
            "dass jede angenommene Antwort verwendet werden darf."
        )
    return (
        "Du hast zugestimmt. Antworten an dich, die die Moderation annimmt, dürfen zusammen mit deinen Nachrichten "
        "davor in mein Training. Mit `/privacy opt-out` kannst du das jederzeit ändern."
    )


def privacy_out(operator_consents: bool) -> str:
    if operator_consents:
        return (
            "Notiert: Du hast widersprochen. Aber wer mich betreibt, hat festgelegt, dass jede angenommene Antwort ins "
            "Training darf, egal wer gefragt hat. Sprich mit ihnen, oder lösche deine Worte mit `/privacy forget`."
        )
    return (
        "Du hast widersprochen. Ich antworte dir weiterhin, aber nichts von dir geht in ein weiteres Training. "
        "Mit `/privacy opt-in` kannst du das jederzeit ändern, mit `/privacy forget` löschen, was gespeichert ist."
    )


def privacy_status(
    opted_in: bool | None, operator_consents: bool, *, messages: int, answers: int, adapters: int, days: float
) -> str:
    learned = "1 Adapter hat" if adapters == 1 else f"{adapters} Adapter haben"
    lines = [
        "Ich speichere meine Antworten mit den Nachrichten davor, damit die Moderation sie beurteilen kann.",
        f"Von dir habe ich **{_messages(messages)}** und **{_answers(answers)}** an dich. {learned} daraus gelernt.",
    ]
    if operator_consents:
        lines.append("Wer mich betreibt, hat festgelegt, dass jede angenommene Antwort ins Training darf.")
    else:
        lines.append(
            "Ins Training geht eine Antwort nur, wenn die Moderation sie angenommen hat und alle, deren Worte darin "
            "stehen, zugestimmt haben."
        )
        lines.append(
            {
                True: "Du hast **zugestimmt**. `/privacy opt-out` ändert das.",
                False: "Du hast **widersprochen**. `/privacy opt-in` ändert das.",
                None: "Du hast **nicht zugestimmt**; deine Worte werden nicht verwendet. `/privacy opt-in` ändert das.",
            }[opted_in]
        )
    if days:
        lines.append(
            f"Was niemand beurteilt hat und dem nicht alle darin zugestimmt haben, wird nach {days:g} Tagen gelöscht."
        )
    lines.append("Mit `/privacy export` bekommst du alles als Datei, mit `/privacy forget` löschst du es.")
    return "\n".join(lines)


def forget_question(messages: int, answers: int) -> str:
    return (
        f"Das löscht **{_messages(messages)}** von dir und **{_answers(answers)}** an dich aus allem, was ich aufhebe, "
        "und zwar endgültig, und nimmt deine Zustimmung zurück. Adapter, die daraus gelernt haben, gehen nach dem "
        "nächsten erfolgreichen Training außer Dienst. Nachrichten auf Discord selbst bleiben; lösche sie dort.\n"
        "Soll ich?"
    )


def forgotten(replies: int, adapters: int) -> str:
    if not replies:
        return "Erledigt. In dem, was ich aufhebe, war nichts von dir."
    kept = "1 gespeicherten Antwort" if replies == 1 else f"{replies} gespeicherten Antworten"
    text = f"Erledigt. Deine Worte sind aus {kept} verschwunden."
    if adapters:
        those = "1 Adapter, der" if adapters == 1 else f"{adapters} Adapter, die"
        learned = "hat" if adapters == 1 else "haben"
        gone = "geht" if adapters == 1 else "gehen"
        text += f" {those} daraus gelernt {learned}, {gone} nach dem nächsten Training außer Dienst."
    return text


def _messages(number: int) -> str:
    return "1 Nachricht" if number == 1 else f"{number} Nachrichten"


def _answers(number: int) -> str:
    return "1 Antwort" if number == 1 else f"{number} Antworten"
