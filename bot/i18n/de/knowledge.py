"""German for bot/i18n/en/knowledge.py."""

from __future__ import annotations

SAVE_AS_FACT = "Als Fakt speichern"
FACT_TITLE = "Als Fakt speichern"
FACT_LABEL = "Was soll ich wissen?"
FACT_EMPTY = "Diese Nachricht hat keinen Text, den ich speichern könnte."
FACT_SAVED = "Gespeichert. Ab der nächsten Frage kann ich es verwenden."

CHOOSE_ONE = (
    "Bitte gib mir genau eine Sache: eine Datei, einen Link zu einer Nachricht oder einen Kanal, dessen angepinnte "
    "Nachrichten ich lesen soll."
)
NO_LINK = (
    "Das ist kein Link zu einer Nachricht auf diesem Server. Klick eine Nachricht mit rechts an und wähle "
    "*Nachrichtenlink kopieren*."
)
LINK_INVALID = "Der Link muss mit https:// oder http:// anfangen."
CANNOT_READ = "Diesen Kanal kann ich nicht lesen, oder du kannst es nicht."
WITHHELD = "Ich wurde gebeten, den Inhalt dieser Nachricht zu vergessen. Deshalb speichere ich sie nicht wieder."
MESSAGE_GONE = "Diese Nachricht steht nicht mehr auf Discord. Deshalb speichere ich sie nicht."
NO_PINS = "In diesem Kanal ist keine Nachricht mit Text angepinnt."
TOO_LARGE = "Diese Datei ist zu groß. Ich kann Dateien bis 8 MB lesen."
KIND_UNKNOWN = "Ich kann Markdown, Text, HTML und PDF lesen (.md, .txt, .html, .pdf)."
UNREADABLE = "Diese Datei konnte ich nicht lesen. Vielleicht ist sie beschädigt oder mit einem Passwort geschützt."
EMPTY = "Da habe ich keinen Text gefunden. Eingescannte Seiten müssen vorher in Text umgewandelt werden."
DOCUMENT_TOO_LONG = "Dieses Dokument ist mir zu lang. Bitte teil es auf."
FULL = "Mehr Dokumente sind auf diesem Server nicht erlaubt. Bitte entferne zuerst eines mit `/knowledge remove`."
GONE = "Dieses Dokument gibt es hier nicht mehr."
NAME_ONE = "Das steht im Titel von mehreren Dokumenten. Bitte gib stattdessen die Nummer des Dokuments an."
FILE_NOT_REFRESHED = "Eine Datei kann ich nicht selbst neu lesen. Bitte entferne sie und füge die neue hinzu."
NONE = "Ich kenne noch keine Dokumente dieses Servers. Mit `/knowledge add` fügst du eines hinzu."
LIST_TITLE = "Worin ich nachschlagen kann"
TRY_TITLE = "Was ich nachschlagen würde"
SHOWN_TITLE = "Was ich für diese Antwort nachgeschlagen habe"
SHOWN_NOTHING = "Für diese Antwort habe ich nichts nachgeschlagen."
SHOWN_HIDDEN = "(aus einem Kanal, den du nicht lesen kannst)"
SHOWN_GONE = "(nicht mehr gespeichert)"
SHOW = "Nachgeschlagen"
SEARCHED_BY_WORDS = "Ich vergleiche im Moment nur Wörter, weil es kein Embedding-Modell gibt oder es noch geladen wird."


def added(title: str, number: int, chunks: int) -> str:
    return f"In **{title}** kann ich jetzt nachschlagen (Dokument {number}, {_parts(chunks)})."


def refreshed(title: str, chunks: int) -> str:
    return f"Ich habe **{title}** neu gelesen ({_parts(chunks)})."


def removed(title: str) -> str:
    return f"Ich habe **{title}** vergessen. Davon ist nichts mehr gespeichert."


def listed(number: int, title: str, url: str | None, chunks: int, where: str) -> str:
    name = f"[{title}](<{url}>)" if url else title
    reach = f" \u00b7 nur für alle, die {where} lesen können" if where else ""
    return f"**{number}** \u00b7 {name} \u00b7 {_parts(chunks)}{reach}"


def more(count: int) -> str:
    return f"... und {_number(count)} weitere"


def tokens(count: int) -> str:
    return f"{_number(count)} Tokens"


def cost(count: int, pieces: int) -> str:
    what = "1 Stelle" if pieces == 1 else f"{_number(pieces)} Stellen"
    return f"{what}, zusammen {_number(count)} Tokens"


def found_nothing(best: float) -> str:
    return f"Nichts passt gut genug. Der beste Wert war {best:.2f}.".replace(
        f"{best:.2f}", f"{best:.2f}".replace(".", ",")
    )


def reply(number: int) -> str:
    return f"Antwort {number}"


def _parts(chunks: int) -> str:
    return "1 Teil" if chunks == 1 else f"{_number(chunks)} Teile"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", ".")
