"""German for what Discord shows of the bot's commands, by the English words (bot/i18n/command_translator.py)."""

from __future__ import annotations

COMMANDS = {
    # Members
    "Ask me something": "Frag mich etwas",
    "What you would like to know": "Was du wissen möchtest",
    "What I am running on, and what comes next": "Womit ich laufe und was als Nächstes kommt",
    "What I keep of your words, and your say in it": "Was ich von deinen Worten aufhebe und was du dazu sagst",
    "What is stored of you, and whether your words may be used for training": (
        "Was von dir gespeichert ist und ob deine Worte ins Training dürfen"
    ),
    "Let me learn from approved replies to you": "Lass mich aus freigegebenen Antworten an dich lernen",
    "Keep your words out of training": "Halte deine Worte aus dem Training heraus",
    "Get everything that is stored of you, as a file": "Alles, was von dir gespeichert ist, als Datei",
    "Remove your words and my answers to you from everything I keep": (
        "Lösche deine Worte und meine Antworten an dich aus allem, was ich aufhebe"
    ),
    # Review
    "Approve": "Freigeben",
    "Edit": "Bearbeiten",
    "Reject": "Ablehnen",
    "Review my answers one after another, privately": "Beurteile meine Antworten nacheinander, nur für dich sichtbar",
    "Which come first": "Welche zuerst kommen",
    "newest": "neueste",
    "oldest": "älteste",
    "unsure": "unsichere",
    "Let moderators see my answers in this channel before they are posted": (
        "Zeig der Moderation meine Antworten in diesem Kanal, bevor sie veröffentlicht werden"
    ),
    "Whether they are held back": "Ob sie zurückgehalten werden",
    "Reviews and approval rate, by day and by adapter": "Urteile und Anteil der freigegebenen, nach Tag und Adapter",
    "How many days back": "Wie viele Tage zurück",
    # Training and adapters
    "Training": "Training",
    "Train a new adapter on the approved replies now": "Jetzt einen Adapter mit den freigegebenen Antworten trainieren",
    "Even if little is new since the last run": "Auch wenn seit dem letzten Mal wenig neu ist",
    "How far the training run is": "Wie weit das Training ist",
    "Stop the training run": "Das Training anhalten",
    "What the last training runs came to": "Was bei den letzten Trainings herauskam",
    "Adapters": "Adapter",
    "The adapters there are, and which one answers": "Welche Adapter es gibt und welcher antwortet",
    "Answer with another adapter from now on": "Ab jetzt mit einem anderen Adapter antworten",
    "Which one": "Mit welchem",
    "Go back to the adapter that answered before this one": "Zurück zu dem Adapter, der vor diesem geantwortet hat",
    # Pairs
    "What I learn from": "Woraus ich lerne",
    "Approved pairs that hold certain words": "Freigegebene Paare, die bestimmte Worte enthalten",
    "Words in the question or in the answer": "Worte aus der Frage oder der Antwort",
    "Keep a pair out of training from now on": "Ein Paar ab jetzt aus dem Training heraushalten",
    "Type words of it, or its number": "Tippe Worte daraus oder seine Nummer",
    "Pairs that wait for a second moderator: imported here, or set aside by a night": (
        "Paare, die auf jemand zweites aus der Moderation warten: importiert oder nachts beiseitegelegt"
    ),
    "The pairs of this server that I may learn from, as a JSONL file": (
        "Die Paare dieses Servers, aus denen ich lernen darf, als JSONL-Datei"
    ),
    "Take in pairs from a JSONL or CSV file": "Paare aus einer JSONL- oder CSV-Datei aufnehmen",
    "JSONL with messages on each line, or CSV with a prompt and a reply column": (
        "JSONL mit messages in jeder Zeile oder CSV mit einer Spalte für Frage und Antwort"
    ),
    # Setting up
    "Set me up on this server, step by step": "Richte mich auf diesem Server ein, Schritt für Schritt",
    "How I behave on this server": "Wie ich mich auf diesem Server verhalte",
    "What is set here": "Was hier eingestellt ist",
    "When I speak up in a channel without being mentioned": "Wann ich in einem Kanal unerwähnt mitrede",
    "off: only when mentioned; name: when my name is said; always: to every message": (
        "aus: nur erwähnt; Name: wenn mein Name fällt; immer: auf jede Nachricht"
    ),
    "off": "aus",
    "name": "Name",
    "always": "immer",
    "Seconds between two such answers": "Sekunden zwischen zwei solchen Antworten",
    "Which channel; this one if you name none": "Welcher Kanal; dieser, wenn du keinen nennst",
    "Who I am: what I am told before every conversation": "Wer ich bin: was mir vor jedem Gespräch gesagt wird",
    "On the whole server, or only in this channel": "Auf dem ganzen Server oder nur in diesem Kanal",
    "server": "Server",
    "channel": "Kanal",
    "How freely and how long I answer (name neither: default)": (
        "Wie frei und wie lang ich antworte (ohne beides: Voreinstellung)"
    ),
    "0 is always the likeliest word; 1 is free": "0 ist stets das wahrscheinlichste Wort; 1 ist frei",
    "Longest answer, in tokens (a token is about four letters)": (
        "Längste Antwort in Tokens (ein Token sind etwa vier Buchstaben)"
    ),
    "How often one member may ask": "Wie oft ein Mitglied fragen darf",
    "Seconds between two questions of one member": "Sekunden zwischen zwei Fragen eines Mitglieds",
    "Answers a member gets in a day; 0 is no limit": "Antworten für ein Mitglied am Tag; 0 ist unbegrenzt",
    "The quota is for members with this role; leave the quota out to take it back": (
        "Die Höchstzahl gilt für diese Rolle; ohne Höchstzahl wird sie zurückgenommen"
    ),
    "In which channels and to which roles I answer": "In welchen Kanälen und welchen Rollen ich antworte",
    "allow: only these; deny: all but these; clear: off both lists (nothing named: empties both)": (
        "erlauben: nur diese; sperren: alle außer diesen; streichen: von beiden Listen (ohne Angabe: alles)"
    ),
    "allow": "erlauben",
    "deny": "sperren",
    "clear": "streichen",
    "The channel to allow or deny": "Der Kanal zum Erlauben oder Sperren",
    "The role to allow or deny": "Die Rolle zum Erlauben oder Sperren",
}
