"""Facts of an invented workshop with a question and the word that answers it, and questions that nothing answers.

Written for the benchmark of the memory. The questions use other words than the facts; a third is German.
"""

from __future__ import annotations

__all__ = ["FACTS", "UNANSWERED"]

_LINES = """
The wood store opens at seven on weekdays.|When can I get into the lumber shed during the week?|seven
Saturday courses are led by Ingrid.|Who teaches the classes on Saturday?|Ingrid
The monthly membership costs eighteen euros.|How much is it to be a member per month?|eighteen
New members get a blue apron.|What colour is the apron for people who just joined?|blue
The band saw was serviced in March.|In which month did the band saw get its maintenance?|March
Sawdust goes into the green bins behind the hall.|Where do I put the sawdust?|green
The door code is changed every Thursday.|On what day does the door code change?|Thursday
Guests may stay for two hours.|How long is a visitor allowed to be here?|two
The dust extractor is switched on by the red lever.|How do I turn on the dust extraction?|lever
Glue is kept in cabinet nine.|Which cabinet has the glue?|nine
The lathe must not be used after ten in the evening.|Until what time in the evening may I use the lathe?|ten
Lost tools are collected by Pavel.|Whom do I ask about a tool that I lost?|Pavel
The spring fair takes place in Aldermoor.|Where is the fair in spring held?|Aldermoor
Broken blades are replaced free of charge.|Do I have to pay when a blade breaks?|free
The workshop has room for fourteen people.|How many people fit in the workshop?|fourteen
The newsletter is sent on the first Monday of the month.|When does the newsletter come out?|Monday
Oak boards are sold at cost price.|At what price do you sell boards of oak?|cost
The server was founded in 2017.|In what year did this server start?|2017
Refunds are paid within five days.|How fast do I get my money back?|five
Children need the permission of a guardian.|What do kids need before they can take part?|guardian
The kiln reaches nine hundred degrees.|How hot does the kiln get?|nine hundred
Voice chat is muted during the reading hour.|When is nobody allowed to talk in voice chat?|reading
The password for the guest network is on the fridge.|Where can I find the wifi password for guests?|fridge
Ravens are the symbol of the northern team.|Which animal stands for the team in the north?|raven
Pictures of finished work go to the channel gallery.|In what channel do I post photos of my finished work?|gallery
Spoilers are allowed after seventy-two hours.|How long must I wait before I may spoil something?|seventy-two
Der Verleih der Werkzeuge kostet drei Euro am Tag.|Was kostet es, Werkzeuge für einen Tag auszuleihen?|drei
Die Hobelbank steht im Keller.|In welchem Raum finde ich die Hobelbank?|Keller
Das Sommerfest findet im August statt.|In welchem Monat ist das Sommerfest?|August
Für die Schlüssel ist Frau Petersen zuständig.|Wer kümmert sich um die Schlüssel?|Petersen
Die Werkstatt schließt um einundzwanzig Uhr.|Wann schließt die Werkstatt abends?|einundzwanzig
Versandkosten betragen sechs Euro innerhalb Deutschlands.|Wie hoch sind die Kosten für den Versand in Deutschland?|sechs
Holzreste dürfen kostenlos mitgenommen werden.|Darf ich Holzreste mitnehmen, und was kosten sie?|kostenlos
Die Fräse ist wegen einer Reparatur gesperrt.|Warum kann ich die Fräse nicht benutzen?|Reparatur
Neue Mitglieder bekommen eine Einführung von Torsten.|Von wem werden neue Mitglieder eingeführt?|Torsten
Der Parkplatz liegt hinter der Mühle.|Wo ist der Parkplatz?|Mühle
Bestellungen werden dienstags aufgegeben.|An welchem Tag werden Bestellungen aufgegeben?|dienstags
Das Passwort des Servers beginnt mit einem Buchstaben.|Womit beginnt das Passwort des Servers?|Buchstaben
Hunde sind in der Halle verboten.|Darf ich meinen Hund mit in die Halle bringen?|verboten
Die Jahreshauptversammlung ist am vierten Februar.|Wann ist die Jahreshauptversammlung?|Februar
"""
FACTS = tuple(tuple(line.split("|")) for line in _LINES.strip().splitlines())
"""A sentence of a document, a question about it, and what the answer must hold."""

UNANSWERED = tuple(
    """
Who won the chess tournament last year?
What is the capital of the moon colony?
How do I train a parrot to whistle?
Which bus goes to the airport?
What should I cook for my grandmother tonight?
Is the museum of trains open on holidays?
How old is the mayor?
Can you recommend a novel about sailing?
What is the best way to learn the violin?
Why is my bicycle squeaking?
How many moons does Saturn have?
Who wrote the song about the lighthouse?
When does my passport expire?
What is the exchange rate of the yen?
How do I remove red wine from a carpet?
Which vaccine do I need for the jungle?
What did the senator say yesterday?
How far is it to the nearest volcano?
Is there a vegan bakery in Lisbon?
What time does the ferry to the islands leave?
Who designed the old opera house?
Can penguins recognise each other?
How do I file my taxes as a student?
What is the plot of the second film?
Which phone has the best camera?
How do I stop hiccups?
What is my horoscope for tomorrow?
Wie wird das Wetter in Hamburg?
Wer hat den Pokal gewonnen?
Wie lange kocht man Linsen?
Welche Sprache spricht man in Andorra?
Wo kann ich Ukulele lernen?
Warum sind Flamingos rosa?
Wie hoch ist der Eiffelturm?
Was hilft gegen Schluckauf?
Wann fährt der letzte Zug nach Basel?
Wer hat das Telefon erfunden?
Welches Handy soll ich kaufen?
Wie viele Knochen hat ein Hai?
Was bedeutet mein Traum von gestern?
""".strip().splitlines()
)
"""Questions that no fact answers."""
