"""German for bot/i18n/en/moderation.py: the same names, the same placeholders."""

from __future__ import annotations

from bot.i18n.de.texts import adapter_name, verdict_line
from bot.i18n.en.texts import NOTICE
from storage import quarantine

# --- cards -------------------------------------------------------------------------------------------------

SKIP = "Überspringen"
UNDO = "Zurücknehmen"
HELD = "Zurückgehalten: Wird veröffentlicht, sobald du sie annimmst"
REDACTED = "Worte wurden entfernt: nichts zu beurteilen"
RULED = {"approve": "Angenommen", "edit": "Bearbeitet", "reject": "Abgelehnt", "undo": "Zurückgenommen"}
REASONS = {
    "wrong": "Sie ist falsch",
    "rude": "Sie ist unhöflich",
    "off-topic": "Sie gehört nicht zum Thema",
    "unsafe": "Sie ist gefährlich",
    "other": "Etwas anderes",
}
WHY = "Warum? (wenn du magst)"
UNDONE = "Zurückgenommen. Die Antwort wartet wieder auf ein Urteil."
NOTHING_TO_UNDO = "Über diese Antwort gibt es kein Urteil, das sich zurücknehmen ließe."
NOT_REJECTED = "Diese Antwort ist nicht mehr abgelehnt und braucht keinen Grund."


def skipped(moderator: str) -> str:
    return f"Übersprungen von {moderator} \u00b7 wartet noch"


def replaced_by(reply_id: int) -> str:
    return f"ersetzt durch Antwort {reply_id}"


def rejected_because(reason: str) -> str:
    return f"Abgelehnt. Dabei vermerkt: {REASONS[reason]}."


def ruling(verdict: str, reviewer: str, reason: str | None) -> str:
    text = verdict_line(verdict, reviewer)
    return f"{text} \u00b7 {REASONS[reason]}" if reason in REASONS else text


def overruled(moderator: str, theirs: str, mine: str, reply_id: int) -> str:
    return (
        f"{moderator} hat eben auch über Antwort {reply_id} geurteilt: **{RULED[theirs].lower()}**; von dir kam "
        f"**{RULED[mine].lower()}**. Das spätere Urteil gilt; deines bleibt verzeichnet."
    )


def overruling(moderator: str, theirs: str) -> str:
    return f"Vor dir kam von {moderator} **{RULED[theirs].lower()}**; das spätere Urteil, deines, gilt."


# --- /review -----------------------------------------------------------------------------------------------

QUEUE_EMPTY = "Nichts wartet auf ein Urteil. Danke!"
QUEUE_START = "Von vorn"
ORDERS = {"newest": "neueste zuerst", "oldest": "älteste zuerst", "unsure": "unsichere zuerst"}


def queue_title(left: int, order: str) -> str:
    return f"Noch {left} \u00b7 {ORDERS[order]}"


def queue_end(skipped_: int) -> str:
    noun = "Antwort wartet" if skipped_ == 1 else "Antworten warten"
    return f"Das war die letzte. {skipped_} {noun} noch: übersprungen oder inzwischen dazugekommen."


def queue_done(verdict: str, reply_id: int) -> str:
    return f"{RULED[verdict]}: Antwort {reply_id}"


# --- held answers ------------------------------------------------------------------------------------------

HELD_NOTICE = NOTICE + "Meine Antwort liegt bei der Moderation; hier steht sie, sobald sie angesehen wurde."
HELD_UNSEEN = (
    NOTICE + "Meine Antwort wartet auf die Moderation, aber in deren Kanal kann ich nicht schreiben. "
    "Sie findet sie mit `/review`; danach steht sie hier."
)
HELD_REFUSED = NOTICE + "Die Moderation hat entschieden, meine Antwort nicht zu veröffentlichen."
HOLD_ON = (
    "Ab jetzt gehen meine Antworten in diesem Kanal zuerst in den Kanal der Moderation "
    "und werden veröffentlicht, wenn sie angenommen sind."
)
HOLD_ON_UNSEEN = (
    "Ab jetzt warten meine Antworten in diesem Kanal in `/review` und erscheinen, sobald sie angenommen sind. Karten "
    "gibt es dafür nicht: Den Prüfkanal sieht jemand, der diesen Kanal nicht lesen kann."
)
HOLD_OFF = "Ab jetzt werden meine Antworten in diesem Kanal sofort veröffentlicht."
HOLD_NOWHERE = "Es gibt noch keinen Kanal der Moderation; niemand sähe die Entwürfe. Wähle zuerst einen mit `/setup`."

# --- what could not be shown ------------------------------------------------------------------------------

NOT_SHOWN_TITLE = "Steht noch nicht auf Discord"
SHOW_AGAIN = "Jetzt zeigen"
SHOWN_NOW = "Erledigt: Jetzt steht es auf Discord."
NOT_SHOWN = {
    "unreached": "Discord war nicht zu erreichen. Ich versuche es weiter.",
    "gone": "Die Nachricht oder der Kanal ist gelöscht.",
    "forbidden": "Ich darf dort nicht schreiben: Prüfe meine Rechte in dem Kanal und drück dann auf den Knopf.",
    "refused": "Discord hat es abgelehnt. Warum, steht im Log des Bots; der Knopf versucht es noch einmal.",
    "failed": "Etwas ist schiefgegangen. Mehr steht im Log des Bots; der Knopf versucht es noch einmal.",
    "nowhere": "Es gibt keinen Kanal der Moderation. Wähle einen mit `/setup`.",
}


def reply_number(reply_id: int) -> str:
    return f"Antwort {reply_id}"


def not_shown(cause: str) -> str:
    return f"\u26a0\ufe0f Dein Urteil ist gespeichert, aber die Antwort ließ sich nicht ändern. {NOT_SHOWN[cause]}"


# --- /train, /adapter --------------------------------------------------------------------------------------

DATABASE_DAMAGED = (
    "**Meine Datenbank ist beschädigt**, deshalb habe ich heute Nacht nicht trainiert. Bitte sag es meinem Betreiber: "
    "`nightshift doctor` sagt mehr."
)
NOT_TRAINING = "Es läuft kein Training."
CANCELLED = "Das Training wird angehalten. Was es gelernt hat, wird verworfen; der bisherige Adapter bleibt."
NOT_CANCELLED = (
    "Das Training ließ sich nicht anhalten: Es ist gerade zu Ende gegangen, oder es läuft, wo ich nicht hinkomme."
)
INTERRUPTED = "Es läuft kein Training. Eins wurde unterbrochen; beim nächsten Training geht es weiter."
NO_RUNS = "Es gab noch kein Training."
NO_ADAPTERS = "Es gibt noch keinen Adapter: Das Basismodell antwortet. Das erste gute Training macht einen."
ADAPTER_GONE = "Einen solchen Adapter gibt es nicht. `/adapter list` zeigt, welche es gibt."
ADAPTER_RETIRED = "Dieser Adapter ist außer Dienst: Er hat aus Worten gelernt, die seither zurückgenommen wurden."
ADAPTER_DAMAGED = (
    "Die Dateien dieses Adapters sind beschädigt oder fehlen, er lässt sich nicht verwenden. Der bisherige bleibt; "
    "mit `/adapter use` kannst du einen anderen wählen."
)
STAGES = {
    "started": "beginnt",
    "snapshot": "sammelt, was angenommen ist",
    "train": "lernt",
    "prefer": "lernt, was lieber gesehen wurde",
    "evaluate": "vergleicht mit dem bisherigen Adapter",
    "gate": "urteilt",
    "publish": "veröffentlicht",
    "promote": "übernimmt",
}
OUTCOMES = {"promoted": "übernommen", "kept": "nicht übernommen", "skipped": "ausgelassen", "failed": "gescheitert"}


def not_server_moderator(role: str | None) -> str:
    who = f"die Rolle {role} oder das Recht „Nachrichten verwalten“" if role else "das Recht „Nachrichten verwalten“"
    return f"Das betrifft den ganzen Server: Dafür brauchst du {who} auf dem Server selbst, nicht nur in einem Kanal."


def elsewhere(server: str | None) -> str:
    if server is None:
        return (
            "Ich antworte auf allen Servern mit demselben Adapter. Nur die Moderation meines Hauptservers trainiert "
            "und wählt ihn, und dort bin ich gerade nicht. Wer mich betreibt, kann einen anderen bestimmen: "
            "`main_server` in `nightshift.toml`."
        )
    return f"Ich diene mehreren Servern mit einem Adapter. Nur die Moderation von {server} trainiert und wählt ihn."


def cancelled_by(actor: str) -> str:
    return f"Angehalten von {actor}."


def progress(stage: str, minutes: float, step: int | None, figures: dict[str, float]) -> str:
    named = STAGES.get(stage, stage)
    parts = [f"**{named[:1].upper()}{named[1:]}**"]
    parts += [f"Schritt {step}"] if step is not None else []
    names = {"loss": "Verlust", "eval_loss": "Verlust zur Prüfung"}
    parts += [f"{names[name]} {value:.3f}" for name, value in figures.items() if name in names]
    return " \u00b7 ".join([*parts, f"{minutes:.0f} min"])


def history_line(when: str, outcome: str | None, pairs: int | None, before: float | None, after: float | None) -> str:
    parts = [when, f"**{OUTCOMES.get(outcome or '', 'unvollendet')}**"]
    parts += [f"{pairs} Paare"] if pairs else []
    parts += [f"Prüfverlust {before:.3f} \u2192 {after:.3f}"] if before is not None and after is not None else []
    return " \u00b7 ".join(parts)


def used(adapter: str | None) -> str:
    return f"Ab jetzt antwortet {adapter_name(adapter)}."


def not_loaded(adapter: str | None) -> str:
    return (
        f"{adapter_name(adapter)} ließ sich nicht laden; der bisherige Adapter bleibt. "
        "Warum, steht im Protokoll auf meinem Rechner."
    )


IN_USE = "in Gebrauch"
RETIRED = "außer Dienst"

# --- the morning report ------------------------------------------------------------------------------------

REPORT = "Morgenbericht"
REPORT_PAIRS = "Gelernt aus"
REPORT_LOSS = "Prüfverlust"
REPORT_ADAPTER = "Adapter"
REPORT_TIME = "Dauer"
REPORT_BETTER = "kleiner ist besser"
REPORT_HEAD = {
    "promoted": "Ein neu trainierter Adapter hat gewonnen und antwortet ab jetzt.",
    "kept": "Der neue Adapter wird nicht verwendet.",
    "skipped": "Heute Nacht gab es kein Training.",
    "failed": "Das Training heute Nacht ist gescheitert.",
}
REPORT_KEPT = {
    "worse": "Der neue Adapter war schlechter und wird nicht verwendet.",
    "same": "Der neue Adapter war weder besser noch schlechter und wird nicht verwendet.",
    "unproven": "Der neue Adapter ist vielleicht besser, aber nicht sicher genug; er wird nicht verwendet.",
    "failed a check": "Der neue Adapter sagt besser voraus, hat aber eine andere Prüfung nicht bestanden; "
    "er wird nicht verwendet.",
    "not chosen": "Der neue Adapter hat gewonnen, aber inzwischen wurde von Hand ein anderer gewählt. Dabei bleibt es.",
}
BLIND_TITLE = "Welche Antwort ist besser?"
BLIND_A, BLIND_B, BLIND_TIE = "A ist besser", "B ist besser", "Kein Unterschied"
BLIND_REMOVED = "Diese Frage ist nicht mehr gespeichert: Was darin stand, wurde entfernt."
BLIND_ELSEWHERE = "Diese Frage wurde nicht auf diesem Server gestellt. Es gibt nichts abzustimmen."
BLIND_STORED = "Deine Stimme ist gespeichert. Stimm noch einmal ab, um sie zu ändern."
BLIND_FOOTER = "Eine ist vom Adapter von gestern, eine von dem dieser Nacht. Welche, erfährt niemand."
LEARNING = "Lernen"
VALIDATION = "Prüfung"
LOSS_AXIS, STEP_AXIS = "Verlust (nats je Token)", "Schritt"


def votes(challenger: int, champion: int, tie: int) -> str:
    return f"Stimmen: {challenger} für den neuen, {champion} für den alten, {tie} unentschieden"


def held_out(train: int, held: int) -> str:
    return f"{train} Paare\n{held} zum Prüfen beiseite"


# --- /pairs ------------------------------------------------------------------------------------------------

NO_PAIRS = "Kein angenommenes Paar enthält diese Worte."
PAIR_GONE = "Mit dieser Nummer gibt es kein angenommenes Paar dieses Servers."
EXPORT_EMPTY = "Es gibt nichts auszugeben: Von diesem Server ist keine Antwort angenommen."
EXPORT_NONE_ELIGIBLE = (
    "Es gibt nichts auszugeben: Aus keinem angenommenen Paar dieses Servers darf ich lernen, weil jemand darin nicht "
    "zugestimmt hat oder noch niemand zweites aus der Moderation daraufgesehen hat."
)
EXPORT_TOO_LARGE = (
    "Die Datei ist größer, als Discord sie hier nimmt. `nightshift export` auf meinem Rechner hat keine Grenze."
)
IMPORT_TOO_LARGE = "Diese Datei ist größer als 8 MB. `nightshift import` auf meinem Rechner hat keine Grenze."
IMPORT_ENDING = (
    "Ich lese nur Dateien, die auf `.jsonl`, `.json` oder `.csv` enden. "
    "Eine Tabelle lässt sich als CSV (UTF-8) speichern."
)
IMPORT_UNREADABLE = (
    'Diese Datei kann ich nicht lesen. Eine JSONL-Datei hat in jeder Zeile `{"messages": [...]}`; '
    "eine CSV-Datei hat eine Spalte für die Frage und eine für die Antwort."
)
IMPORT_PACKED = "Das ist keine Textdatei. Wenn es eine Tabelle ist, speichere sie als CSV (UTF-8) und importiere die."
IMPORT_TOO_MANY_ROWS = "Diese Datei hat mehr als 50.000 Zeilen. Teile sie auf mehrere Dateien auf."


def removed(reply_id: int) -> str:
    return f"Paar {reply_id} ist entfernt: Daraus lerne ich nicht mehr."


def exported(count: int) -> str:
    return f"{count} Paare." if count != 1 else "1 Paar."


def imported(count: int, duplicates: int, bad: list[tuple[int, str]], rejected: int) -> str:
    lines = [f"{count} aufgenommen, {duplicates} doppelt, {rejected} zurückgewiesen"]
    lines += [f"Zeile {number}: {reason}" for number, reason in bad[:10]]
    lines += [f"\u2026 und {rejected - 10} weitere"] if rejected > 10 else []
    return "\n".join(lines)


def import_waits(count: int) -> str:
    pairs = "Dieses Paar wartet" if count == 1 else f"Diese {count} Paare warten"
    return f"{pairs}, bis jemand zweites aus der Moderation dieses Servers zustimmt: `/pairs quarantine`."


def import_refused(count: int) -> str:
    pairs = "1 Paar enthält" if count == 1 else f"{count} Paare enthalten"
    return f"Abgelehnt: {pairs}, was auf Discord gesagt, gelöscht oder vergessen wurde. Nimm besser dort Antworten an."


# --- /stats ------------------------------------------------------------------------------------------------

QUARANTINE_CONFIRM = "Zulassen"
QUARANTINE_DISMISS = "Weglassen"
QUARANTINE_WHY = "Warum es beiseitegelegt wurde"
QUARANTINE_BY = "Angenommen von"
QUARANTINE_EMPTY = "Kein Paar ist beiseitegelegt."
QUARANTINE_GONE = "Über dieses Paar ist nichts mehr zu entscheiden: Es ist schon entschieden oder hat sich geändert."
QUARANTINE_OWN = "Dieses Paar hast du selbst angenommen, also entscheidet jemand anderes aus der Moderation."
REPORT_ASIDE = "Beiseitegelegt"


def quarantine_why(reason: str) -> str:
    imported = "Jemand aus der Moderation hat es importiert; jemand zweites entscheidet."
    return imported if reason == quarantine.WAITS_SINCE_IMPORT else reason


def quarantine_title(left: int) -> str:
    return f"{left} beiseitegelegt"


def quarantine_by(reviewer: str, *, own: bool) -> str:
    return f"{reviewer} (du: jemand anderes entscheidet)" if own else reviewer


def quarantine_end(left: int) -> str:
    return f"Das war das letzte. Noch beiseitegelegt: {_pairs(left)}."


def quarantine_done(reply_id: int, *, confirmed: bool) -> str:
    return f"Zugelassen: Paar {reply_id}" if confirmed else f"Weggelassen: Paar {reply_id}"


def quarantine_tonight(reasons: list[tuple[str, int]], more: int) -> str:
    lines = [f"{_pairs(count)}: {reason}" for reason, count in reasons]
    lines += [f"{_pairs(more)} aus anderen Gründen"] if more else []
    return "\n".join([*lines, "Eine zweite Person entscheidet: `/pairs quarantine`"])


def _pairs(count: int) -> str:
    return f"{count} Paar" if count == 1 else f"{count} Paare"


STATS = "Urteile"
STATS_NONE = "Hier hat noch niemand über eine Antwort von mir geurteilt."
STATS_DAYS = "Urteile nach Tagen"
STATS_ADAPTERS = "Angenommen, nach Adapter"
STATS_APPROVED, STATS_REJECTED = "angenommen", "abgelehnt"


def share(name: str, approved: int, reviews: int) -> str:
    return f"{name}: {approved} von {reviews} angenommen ({approved / reviews:.0%})"


# --- /setup ------------------------------------------------------------------------------------------------

SETUP_TITLE = "Einrichten"
SETUP_CHANNEL = "1. Wohin sollen Karten und Berichte? In einen Kanal, den nur die Moderation sieht."
SETUP_ROLE = "2. Wer urteilt, außer allen mit „Nachrichten verwalten“?"
SETUP_PERSONA = "3. Wie soll ich sprechen?"
SETUP_CONSENT = "4. Wer lässt mich aus seinen Worten lernen?"
SETUP_PICK_CHANNEL = "Kanal der Moderation"
SETUP_PICK_ROLE = "Rolle der Moderation"
SETUP_PERSONA_BUTTON = "Persona"
SETUP_CONSENT_BUTTON = "Mitgliedern hier sagen, wie man zustimmt"
SETUP_NOT_SET = "nicht gewählt"
SETUP_ELSEWHERE = "Das gibt es auf diesem Server nicht. Bitte wähle noch einmal."
SETUP_SET = "gewählt"
SETUP_PUBLIC = "\u26a0\ufe0f Diesen Kanal können alle lesen: Die Fragen der Mitglieder stünden darin."
SETUP_MUTE = (
    "\u26a0\ufe0f Dort darf ich nicht schreiben: Gib mir „Kanäle ansehen“, „Nachrichten senden“ und „Links einbetten“."
)
CONSENT_RULE = {
    "members": "Nur von Mitgliedern, die mit `/privacy opt-in` zugestimmt haben.",
    "operator": "Wer mich betreibt, hat festgelegt, dass jede angenommene Antwort verwendet werden darf.",
}
CONSENT_POST = (
    "**Ich lerne, wie hier gesprochen wird, wenn ihr mich lasst.** Die Moderation beurteilt meine Antworten, und "
    "nachts lerne ich aus den angenommenen, aber nur, wo alle zugestimmt haben, deren Worte darin stehen. "
    "`/privacy opt-in` sagt Ja, `/privacy opt-out` sagt Nein, `/privacy status` sagt, was ich aufhebe."
)
CONSENT_POSTED = "Veröffentlicht."
