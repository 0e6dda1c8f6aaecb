"""German for bot/i18n/en/moderation.py: the same names, the same placeholders."""

from __future__ import annotations

from bot.i18n.de.texts import adapter_name, verdict_line
from bot.i18n.en.texts import NOTICE
from storage import origins

# --- cards -------------------------------------------------------------------------------------------------

SKIP = "Überspringen"
UNDO = "Rückgängig"
HELD = "Zurückgehalten: wird gepostet, sobald du sie freigibst"
REDACTED = "Teile wurden entfernt: nichts zu prüfen"
RULED = {"approve": "Freigegeben", "edit": "Bearbeitet", "reject": "Abgelehnt", "undo": "Rückgängig gemacht"}
REASONS = {
    "wrong": "Sie ist falsch",
    "rude": "Sie ist unhöflich",
    "off-topic": "Sie gehört nicht zum Thema",
    "unsafe": "Sie ist gefährlich",
    "other": "Etwas anderes",
}
WHY = "Warum? (optional)"
UNDONE = "Rückgängig gemacht. Die Antwort wartet wieder auf Prüfung."
NOTHING_TO_UNDO = "Diese Antwort wurde noch nicht geprüft; es gibt nichts rückgängig zu machen."
NOT_REJECTED = "Diese Antwort ist nicht mehr abgelehnt und braucht keinen Grund."


def skipped(moderator: str) -> str:
    return f"Übersprungen von {moderator} \u00b7 wartet noch auf Prüfung"


def replaced_by(reply_id: int) -> str:
    return f"ersetzt durch Antwort {reply_id}"


def rejected_because(reason: str) -> str:
    return f"Abgelehnt. Grund: {REASONS[reason]}."


def ruling(verdict: str, reviewer: str, reason: str | None) -> str:
    text = verdict_line(verdict, reviewer)
    return f"{text} \u00b7 {REASONS[reason]}" if reason in REASONS else text


def overruled(moderator: str, theirs: str, mine: str, reply_id: int) -> str:
    return (
        f"{moderator} hat Antwort {reply_id} auch geprüft: **{RULED[theirs].lower()}**. Deine Entscheidung war "
        f"**{RULED[mine].lower()}**. Die spätere gilt; deine bleibt im Verlauf."
    )


def overruling(moderator: str, theirs: str) -> str:
    return f"{moderator} hat vor dir entschieden: **{RULED[theirs].lower()}**. Deine Entscheidung ist später und gilt."


# --- /review -----------------------------------------------------------------------------------------------

QUEUE_EMPTY = "Es gibt nichts zu prüfen. Danke!"
QUEUE_START = "Von vorn"
ORDERS = {"newest": "neueste zuerst", "oldest": "älteste zuerst", "unsure": "unsicherste zuerst"}


def queue_title(left: int, order: str) -> str:
    return f"Noch {left} \u00b7 {ORDERS[order]}"


def queue_end(skipped_: int) -> str:
    noun = "Antwort wartet" if skipped_ == 1 else "Antworten warten"
    return f"Das war die letzte. {skipped_} {noun} noch: von dir übersprungen oder neu dazugekommen."


def queue_done(verdict: str, reply_id: int) -> str:
    return f"{RULED[verdict]}: Antwort {reply_id}"


# --- held answers ------------------------------------------------------------------------------------------

UNSURE = "Da war ich unsicher: Gib meinen Entwurf frei oder bearbeite ihn, dann poste ich ihn"
UNSURE_NOTICE = NOTICE + "Da bin ich mir nicht sicher, deshalb frage ich die Moderation. Ihre Antwort erscheint hier."
HELD_NOTICE = NOTICE + "Die Moderation prüft meine Antwort zuerst. Sie erscheint hier, sobald sie freigegeben ist."
HELD_UNSEEN = (
    NOTICE + "Die Moderation muss meine Antwort erst prüfen, aber im Prüfkanal kann ich nicht schreiben. "
    "Sie findet sie mit `/review`. Nach der Freigabe erscheint sie hier."
)
HELD_REFUSED = NOTICE + "Die Moderation hat entschieden, meine Antwort nicht zu posten."
HOLD_ON = (
    "Ab jetzt gehen meine Antworten in diesem Kanal zuerst in den Prüfkanal. Ich poste sie, "
    "sobald sie freigegeben sind."
)
HOLD_ON_UNSEEN = (
    "Ab jetzt warten meine Antworten in diesem Kanal in `/review`. Ich poste sie, sobald sie freigegeben sind. Karten "
    "gibt es dafür nicht, weil nicht alle im Prüfkanal diesen Kanal lesen können."
)
HOLD_OFF = "Ab jetzt poste ich meine Antworten in diesem Kanal sofort."
HOLD_NOWHERE = "Es gibt noch keinen Prüfkanal, also würde niemand die Antworten sehen. Wähle zuerst einen mit `/setup`."

# --- what could not be shown ------------------------------------------------------------------------------

NOT_SHOWN_TITLE = "Noch nicht auf Discord gepostet"
SHOW_AGAIN = "Jetzt posten"
SHOWN_NOW = "Erledigt. Es steht jetzt auf Discord."
NOT_SHOWN = {
    "unreached": "Discord ist nicht erreichbar. Ich versuche es weiter.",
    "gone": "Die Nachricht oder der Kanal ist gelöscht.",
    "forbidden": "Ich darf dort nicht schreiben. Prüf meine Rechte in dem Kanal und drück dann auf den Button.",
    "refused": "Discord hat es abgelehnt. Der Grund steht im Log des Bots. Mit dem Button versuchst du es noch einmal.",
    "failed": (
        "Etwas ist schiefgegangen. Einzelheiten stehen im Log des Bots. Mit dem Button versuchst du es noch einmal."
    ),
    "nowhere": "Es gibt keinen Prüfkanal. Wähle einen mit `/setup`.",
}


def reply_number(reply_id: int) -> str:
    return f"Antwort {reply_id}"


def not_shown(cause: str) -> str:
    return (
        f"\u26a0\ufe0f Deine Entscheidung ist gespeichert, aber ich konnte die Antwort nicht ändern. {NOT_SHOWN[cause]}"
    )


# --- /train, /adapter --------------------------------------------------------------------------------------

DATABASE_DAMAGED = (
    "**Meine Datenbank ist beschädigt**, deshalb habe ich heute Nacht nicht trainiert. Bitte sag meinem Betreiber "
    "Bescheid. `nightshift doctor` zeigt Einzelheiten."
)
NOT_TRAINING = "Es läuft kein Training."
CANCELLED = "Das Training wird abgebrochen. Das Ergebnis wird verworfen; der bisherige Adapter bleibt."
NOT_CANCELLED = (
    "Ich konnte das Training nicht abbrechen. Es ist gerade fertig geworden oder läuft außerhalb meiner Reichweite."
)
INTERRUPTED = "Es läuft kein Training. Eins wurde unterbrochen und wird beim nächsten Start fortgesetzt."
NO_RUNS = "Es gab noch kein Training."
NO_ADAPTERS = (
    "Es gibt noch keinen Adapter, deshalb antwortet das Basismodell. Das erste erfolgreiche Training erzeugt einen."
)
ADAPTER_GONE = "Diesen Adapter gibt es nicht. `/adapter list` zeigt alle."
ADAPTER_RETIRED = (
    "Dieser Adapter ist stillgelegt, weil er aus Nachrichten gelernt hat, die inzwischen zurückgezogen wurden."
)
ADAPTER_DAMAGED = (
    "Die Dateien dieses Adapters sind beschädigt, deshalb bleibt der bisherige. "
    "Mit `/adapter use` kannst du einen anderen wählen."
)
STAGES = {
    "started": "beginnt",
    "snapshot": "sammelt freigegebene Antworten",
    "train": "trainiert",
    "prefer": "trainiert mit Präferenzen",
    "evaluate": "vergleicht mit dem bisherigen Adapter",
    "gate": "entscheidet",
    "publish": "veröffentlicht",
    "promote": "schaltet um",
}
OUTCOMES = {"promoted": "übernommen", "kept": "verworfen", "skipped": "übersprungen", "failed": "fehlgeschlagen"}


def not_server_moderator(role: str | None) -> str:
    permission = "die Berechtigung „Nachrichten verwalten“"
    who = f"die Rolle {role} oder {permission}" if role else permission
    return f"Das betrifft den ganzen Server. Du brauchst {who} auf dem Server selbst, nicht nur in einem Kanal."


def elsewhere(server: str | None) -> str:
    if server is None:
        return (
            "Ich nutze auf allen Servern denselben Adapter. Nur die Moderation meines Hauptservers kann ihn trainieren "
            "oder wechseln, und dort bin ich gerade nicht. Mein Betreiber kann einen anderen Server bestimmen: "
            "`main_server` in `nightshift.toml`."
        )
    return (
        f"Ich nutze auf mehreren Servern denselben Adapter. Nur die Moderation von {server} kann "
        f"ihn trainieren oder wechseln."
    )


def cancelled_by(actor: str) -> str:
    return f"Abgebrochen von {actor}."


def progress(stage: str, minutes: float, step: int | None, figures: dict[str, float]) -> str:
    named = STAGES.get(stage, stage)
    parts = [f"**{named[:1].upper()}{named[1:]}**"]
    parts += [f"Schritt {step}"] if step is not None else []
    names = {"loss": "Verlust", "eval_loss": "Validierungsverlust"}
    parts += [f"{names[name]} {value:.3f}" for name, value in figures.items() if name in names]
    return " \u00b7 ".join([*parts, f"{minutes:.0f} min"])


def history_line(when: str, outcome: str | None, pairs: int | None, before: float | None, after: float | None) -> str:
    parts = [when, f"**{OUTCOMES.get(outcome or '', 'unvollständig')}**"]
    parts += [f"{pairs} Paare"] if pairs else []
    parts += [f"Hold-out-Verlust {before:.3f} \u2192 {after:.3f}"] if before is not None and after is not None else []
    return " \u00b7 ".join(parts)


def used(adapter: str | None) -> str:
    return f"Ab jetzt antwortet {adapter_name(adapter)}."


def not_loaded(adapter: str | None) -> str:
    return (
        f"{adapter_name(adapter)} ließ sich nicht laden; der bisherige Adapter bleibt. Der Grund steht im Log des Bots."
    )


IN_USE = "in Gebrauch"
RETIRED = "stillgelegt"


def candidate(pairs: int) -> str:
    return f"in der engeren Wahl, bisher an {_pairs(pairs)} gemessen"


# --- the morning report ------------------------------------------------------------------------------------

REPORT = "Trainingsbericht"
REPORT_PAIRS = "Trainiert mit"
REPORT_LOSS = "Hold-out-Verlust"
REPORT_ADAPTER = "Adapter"
REPORT_TIME = "Dauer"
REPORT_EXCLUDED = "Nicht gelernt"
REPORT_BETTER = "kleiner ist besser"
REPORT_HEAD = {
    "promoted": "Der neue Adapter ist besser und antwortet ab jetzt.",
    "kept": "Der neue Adapter wird nicht verwendet.",
    "skipped": "Heute Nacht gab es kein Training.",
    "failed": "Das Training heute Nacht ist fehlgeschlagen.",
}
REPORT_KEPT = {
    "worse": "Der neue Adapter war schlechter und wird nicht verwendet.",
    "same": "Der neue Adapter war weder besser noch schlechter und wird nicht verwendet.",
    "unproven": "Der neue Adapter ist vielleicht besser, aber der Unterschied ist zu klein. Er wird nicht verwendet.",
    "failed a check": "Der neue Adapter hat einen kleineren Verlust, aber eine andere Prüfung nicht bestanden. "
    "Er wird nicht verwendet.",
    "not chosen": "Der neue Adapter ist besser, aber jemand hat inzwischen von Hand einen anderen gewählt. Der bleibt.",
}
BLIND_TITLE = "Welche Antwort ist besser?"
BLIND_A, BLIND_B, BLIND_TIE = "A ist besser", "B ist besser", "Kein Unterschied"
BLIND_REMOVED = "Diese Frage ist nicht mehr gespeichert, weil Teile davon entfernt wurden."
BLIND_ELSEWHERE = "Diese Frage ist von einem anderen Server. Du kannst hier nicht darüber abstimmen."
BLIND_STORED = "Deine Stimme ist gespeichert. Du kannst noch einmal abstimmen, um sie zu ändern."
BLIND_FOOTER = "Eine Antwort ist vom alten Adapter, eine vom neuen. Welche von welchem stammt, erfährt niemand."
LEARNING = "Training"
VALIDATION = "Validierung"
LOSS_AXIS, STEP_AXIS = "Verlust (Nats pro Token)", "Schritt"


def votes(challenger: int, champion: int, tie: int) -> str:
    return f"Stimmen: {challenger} für den neuen, {champion} für den alten, {tie} ohne Unterschied"


def held_out(train: int, held: int) -> str:
    return f"{train} Paare\n{held} zum Testen zurückgehalten"


def excluded(count: int) -> str:
    pairs = "1 Paar wartet" if count == 1 else f"{count} Paare warten"
    return f"{pairs}: Aus Nachrichten darf ich nur lernen, wenn Discord es erlaubt hat. Siehe `/setup`."


# --- /pairs ------------------------------------------------------------------------------------------------

NO_PAIRS = "Kein freigegebenes Paar enthält diesen Text."
PAIR_GONE = "Auf diesem Server gibt es kein freigegebenes Paar mit dieser Nummer."
EXPORT_EMPTY = "Es gibt nichts zu exportieren. Von diesem Server ist noch keine Antwort freigegeben."
EXPORT_NONE_ELIGIBLE = (
    "Es gibt nichts zu exportieren. Jedes freigegebene Paar dieses Servers enthält Nachrichten, aus denen ich laut "
    "Discord nicht lernen darf (siehe `/setup`), oder jemand hat nicht zugestimmt, oder eine zweite Person aus der "
    "Moderation hat es noch nicht geprüft."
)
EXPORT_TOO_LARGE = "Die Datei ist zu groß für Discord. `nightshift export` auf meinem Rechner hat keine Grenze."
IMPORT_TOO_LARGE = "Diese Datei ist größer als 8 MB. `nightshift import` auf meinem Rechner hat keine Grenze."
IMPORT_ENDING = (
    "Ich kann nur `.jsonl`-, `.json`- und `.csv`-Dateien lesen. Bitte speichere eine Tabelle als CSV (UTF-8)."
)
IMPORT_UNREADABLE = (
    'Diese Datei kann ich nicht lesen. Eine JSONL-Datei hat in jeder Zeile `{"messages": [...]}`; '
    "eine CSV-Datei hat eine Spalte für die Frage und eine für die Antwort."
)
IMPORT_PACKED = (
    "Das ist keine Textdatei. Wenn es eine Tabelle ist, speichere sie bitte als CSV (UTF-8) und importiere diese Datei."
)
IMPORT_TOO_MANY_ROWS = "Diese Datei hat mehr als 50.000 Zeilen. Bitte teile sie auf mehrere Dateien auf."


def removed(reply_id: int) -> str:
    return f"Paar {reply_id} ist entfernt: Daraus lerne ich nicht mehr."


def exported(count: int) -> str:
    return f"{count} Paare." if count != 1 else "1 Paar."


def imported(count: int, duplicates: int, bad: list[tuple[int, str]], rejected: int) -> str:
    lines = [f"{count} aufgenommen, {duplicates} doppelt, {rejected} abgelehnt"]
    lines += [f"Zeile {number}: {reason}" for number, reason in bad[:10]]
    lines += [f"\u2026 und {rejected - 10} weitere"] if rejected > 10 else []
    return "\n".join(lines)


def import_waits(count: int) -> str:
    pairs = "Dieses Paar" if count == 1 else f"Diese {count} Paare"
    return f"{pairs} muss erst noch jemand anderes aus der Moderation dieses Servers zulassen: `/pairs quarantine`."


def import_refused(count: int) -> str:
    pairs = "1 Paar enthält" if count == 1 else f"{count} Paare enthalten"
    return f"Abgelehnt: {pairs}, Text, der auf Discord gepostet oder gelöscht wurde. Gib die Antworten bitte dort frei."


# --- /stats ------------------------------------------------------------------------------------------------

QUARANTINE_CONFIRM = "Zulassen"
QUARANTINE_DISMISS = "Verwerfen"
QUARANTINE_WHY = "Grund"
QUARANTINE_BY = "Freigegeben von"
QUARANTINE_EMPTY = "Kein Paar ist in Quarantäne."
QUARANTINE_GONE = "Über dieses Paar hat schon jemand entschieden, oder es hat sich geändert."
QUARANTINE_OWN = "Dieses Paar hast du selbst freigegeben, also muss jemand anderes aus der Moderation entscheiden."
REPORT_NOTE = "Hinweis"
REPORT_ASIDE = "In Quarantäne"


def quarantine_title(left: int) -> str:
    return f"{left} in Quarantäne"


def quarantine_by(reviewer: str, *, own: bool) -> str:
    return f"{reviewer} (du, also muss jemand anderes entscheiden)" if own else reviewer


def quarantine_end(left: int) -> str:
    return f"Das war das letzte. Noch in Quarantäne: {_pairs(left)}."


def quarantine_done(reply_id: int, *, confirmed: bool) -> str:
    return f"Zugelassen: Paar {reply_id}" if confirmed else f"Verworfen: Paar {reply_id}"


def quarantine_tonight(reasons: list[tuple[str, int]], more: int) -> str:
    lines = [f"{_pairs(count)}: {reason}" for reason, count in reasons]
    lines += [f"{_pairs(more)} aus anderen Gründen"] if more else []
    return "\n".join([*lines, "Eine zweite Person muss entscheiden: `/pairs quarantine`"])


def _pairs(count: int) -> str:
    return f"{count} Paar" if count == 1 else f"{count} Paare"


STATS = "Prüfungen"
STATS_NONE = "Hier hat noch niemand eine Antwort von mir geprüft."
STATS_SURE = "Wie sicher ich war und wie oft die Moderation zugestimmt hat"
STATS_DAYS = "Prüfungen pro Tag"
STATS_ADAPTERS = "Freigegeben, nach Adapter"
STATS_APPROVED, STATS_REJECTED = "freigegeben", "abgelehnt"
STATS_EDITS = "Vor der Freigabe geänderter Text"


def changed(name: str, share: float, approved: int) -> str:
    answers = "1 freigegebenen Antwort" if approved == 1 else f"{approved} freigegebenen Antworten"
    return f"{name}: {share:.0%} in {answers}"


def week(monday: str) -> str:
    return f"Woche ab {monday}"


def share(name: str, approved: int, reviews: int) -> str:
    return f"{name}: {approved} von {reviews} freigegeben ({approved / reviews:.0%})"


# --- /setup ------------------------------------------------------------------------------------------------

SETUP_TITLE = "Einrichten"
SETUP_CHANNEL = "1. Wo soll ich Karten und Berichte posten? Wähle einen Kanal, den nur die Moderation sieht."
SETUP_ROLE = "2. Wer darf prüfen, außer allen mit „Nachrichten verwalten“?"
SETUP_PERSONA = "3. Wie soll ich reden?"
SETUP_CONSENT = "4. Von wem darf ich lernen?"
SETUP_MESSAGE_CONTENT = "Erlaubt mir Discord, aus Nachrichten zu lernen?"
SETUP_PICK_CHANNEL = "Prüfkanal"
SETUP_PICK_ROLE = "Moderationsrolle"
SETUP_PERSONA_BUTTON = "Persona"
SETUP_CONSENT_BUTTON = "Hier posten, wie man zustimmt"
SETUP_NOT_SET = "nicht festgelegt"
SETUP_ELSEWHERE = "Das gibt es auf diesem Server nicht. Bitte wähle noch einmal."
SETUP_SET = "festgelegt"
SETUP_PUBLIC = "\u26a0\ufe0f Diesen Kanal können alle lesen, und darin werden Fragen von Mitgliedern stehen."
PERMISSIONS = {
    "view_channel": "Kanäle anzeigen",
    "send_messages": "Nachrichten senden",
    "send_messages_in_threads": "Nachrichten in Threads senden",
    "read_message_history": "Nachrichtenverlauf anzeigen",
    "embed_links": "Links einbetten",
    "attach_files": "Dateien anhängen",
}


def setup_missing(missing: list[str]) -> str:
    return f"\u26a0\ufe0f Mir fehlen dort Berechtigungen: {', '.join(PERMISSIONS[one] for one in missing)}."


def setup_hidden(role: str, bot: str, hidden: list[str]) -> str:
    return (
        f"\u26a0\ufe0f {role} sieht {len(hidden)} meiner Befehle noch nicht. Das kann bei Discord nur ein Mensch "
        f"ändern: Öffne **Servereinstellungen > Integrationen > {bot}**, klick auf einen Befehl, dann auf "
        f"**Rollen oder Mitglieder hinzufügen**, und wähle {role}. Das gilt für: {', '.join(hidden)}."
    )


CONSENT_RULE = {
    "members": "Nur von Mitgliedern, die mit `/privacy opt-in` zugestimmt haben.",
    "operator": "Mein Betreiber verwendet jede freigegebene Antwort.",
}
MESSAGE_CONTENT_RULE = (
    f"Discords Developer Policy, Regel 21: \u201c{origins.RULE}\u201d "
    f"(Aus Nachrichten darf man nur mit ausdrücklicher Erlaubnis von Discord lernen.) {origins.POLICY}"
)
MESSAGE_CONTENT_PERMIT = "Discord hat dieser Anwendung die Erlaubnis gegeben"
MESSAGE_CONTENT_FORBID = "Discord hat keine Erlaubnis gegeben"
MESSAGE_CONTENT_BY_FILE = "Laut den Einstellungen meines Betreibers darf ich aus Nachrichten lernen (`learn_from`)."
MESSAGE_CONTENT_PERMITTED = (
    "Ich lerne auch aus Nachrichten: Hier wurde angegeben, dass Discord dieser Anwendung die Erlaubnis gegeben hat."
)
MESSAGE_CONTENT_NOT_YOURS = (
    "Das können nur der Eigentümer dieser Anwendung und die Administratoren des Servers ändern, dessen Moderation mich "
    "trainiert."
)


def message_content_forbidden(excluded: int) -> str:
    said = (
        "Ich lerne aus dem, was in Befehle und Formulare getippt wird, aus Importen und aus den Worten der Moderation. "
        f"Aus Nachrichten lerne ich nicht.\n> {MESSAGE_CONTENT_RULE}\n"
    )
    waiting = {0: "Kein Paar wartet darauf.", 1: "1 Paar wartet darauf."}
    return said + waiting.get(excluded, f"{excluded} Paare warten darauf.")


CONSENT_POST = (
    "**Ich möchte lernen, wie in dieser Community geredet wird.** Die Moderation prüft meine Antworten, und nachts "
    "lerne ich aus den freigegebenen. Fragt jemand hier etwas Ähnliches, darf ich auch darin nachschlagen. Ein "
    "Gespräch nutze ich nur, wenn alle Beteiligten zugestimmt haben. "
    "`/privacy opt-in` heißt Ja, `/privacy opt-out` heißt Nein, und `/privacy status` zeigt, "
    "was ich über dich speichere."
)
CONSENT_POSTED = "Gepostet."


def sure(predicted: float, approved: float, count: int) -> str:
    return f"{100 * predicted:.0f} % \u2192 {100 * approved:.0f} % ({count})"
