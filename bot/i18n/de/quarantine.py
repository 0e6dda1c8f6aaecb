"""German for bot/i18n/en/quarantine.py: the same names, the same placeholders."""

from __future__ import annotations

from storage import quarantine
from trainer.quarantine.reasons import general, read_reason
from trainer.reasons import worded

WAITS_SINCE_IMPORT = "Jemand aus der Moderation hat es importiert; jemand anderes muss entscheiden."
REASONS = {
    "signs": "Die Antwort besteht vor allem aus Zeichen statt aus Wörtern.",
    "repeats": "Die Antwort sagt immer wieder dasselbe.",
    "no_language": "Die Antwort ist in keiner Sprache geschrieben.",
    "language": "Die Antwort ist in einer anderen Sprache ({language}) als das, worauf sie antwortet.",
    "languages": "Mehrere Antworten dieser Nacht sind in einer anderen Sprache ({language}), diese auch.",
    "script": "Die Antwort ist in einer anderen Schrift als das, worauf sie antwortet.",
    "phrase": "Derselbe Satzteil steht in vielen der neuen Antworten und in wenigen anderen: „{phrase}“.",
    "loss": "Das Modell findet die Antwort viel unwahrscheinlicher als die anderen ({nats:.1f} Nats pro Token).",
    "losses": "Mehrere Antworten dieser Nacht ergeben keinen Sinn, diese auch ({nats:.1f} Nats pro Token).",
    "unlikely": "Das Modell findet die Antworten viel unwahrscheinlicher als die anderen.",
    "senseless": "Mehrere Antworten dieser Nacht ergeben keinen Sinn.",
    "flood_moderator": "Eine einzige Person hat die meisten neuen Paare der Nacht freigegeben.",
    "flood_author": "Die meisten neuen Paare der Nacht antworten einer einzigen Person.",
    "flood_circle": (
        "Die meisten neuen Paare der Nacht antworten Leuten, deren Paare immer dieselbe Person freigegeben hat."
    ),
    "fits_other": "Die Antwort passt nicht zu ihrer Frage. Sie passt besser zur Frage von Paar {pair}.",
    "fits_none": "Die Antwort passt nicht zu ihrer Frage.",
    "moved_up": "Die Antworten dieses Imports sind verrutscht: Jede passt zur Frage {rows} Zeilen weiter oben.",
    "moved_down": "Die Antworten dieses Imports sind verrutscht: Jede passt zur Frage {rows} Zeilen weiter unten.",
    "moved_up_1": "Die Antworten dieses Imports sind verrutscht: Jede passt zur Frage in der Zeile darüber.",
    "moved_down_1": "Die Antworten dieses Imports sind verrutscht: Jede passt zur Frage in der Zeile darunter.",
    "unfit_import": "Die Antworten dieses Imports passen zu ihren Fragen nicht besser als in anderer Reihenfolge.",
    "unfit_edits": (
        "Was diese Person in der Nacht bearbeitet hat, passt zu den Fragen nicht besser als in anderer Reihenfolge."
    ),
    "sentence": "{text}",
}
UNSCREENED = (
    "Es konnte kein Embedding-Modell geladen werden. Deshalb wurde nicht geprüft, ob bearbeitete und importierte "
    "Antworten zu ihren Fragen passen. `nightshift doctor` sagt, wie man es installiert."
)


def why(reason: str) -> str:
    return (
        WAITS_SINCE_IMPORT
        if reason == quarantine.WAITS_SINCE_IMPORT
        else worded(read_reason(reason), REASONS, decimal=",")
    )


def kind_of(reason: str) -> str:
    if reason == quarantine.WAITS_SINCE_IMPORT:
        return WAITS_SINCE_IMPORT
    return worded(general(read_reason(reason)), REASONS, decimal=",")
