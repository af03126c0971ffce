"""Eight German references with two systems' output, and the scores that other tools give them."""

from __future__ import annotations

REFERENCE = """\
Der Karl-Heinz-Platz liegt in der Nähe des Bahnhofs, nicht am Fluss.
"Das ist ein gutes Buch", sagte die Lehrerin & lächelte.
Am 3. Oktober 2014 kamen rund 4,5 Millionen Gäste in die Stadt.
Die EU-weite Regelung gilt für z.B. Klein- und Mittelbetriebe.
Zwei Kinder spielen mit einem roten Ball vor dem Haus.
Warum hat niemand die Tür geschlossen?
Er fährt jeden Tag mit dem Fahrrad zur Arbeit in Aix-en-Provence.
Die Verhandlungen dauern an; ein Ende ist nicht in Sicht.
"""

SYSTEM = """\
Der Karl-Heinz-Platz liegt in der Nähe vom Bahnhof, nicht am Fluss.
"Das ist ein gutes Buch", sagte der Lehrer & lächelte.
Am 3. Oktober 2014 kamen etwa 4,5 Millionen Besucher in die Stadt.
Die EU-weite Regel gilt für z.B. kleine und mittlere Betriebe.
Zwei Kinder spielen mit einem roten Ball vor einem Haus.
Warum hat keiner die Tür geschlossen?
Er fährt jeden Tag mit dem Rad zur Arbeit in Aix-en-Provence.
Die Verhandlungen gehen weiter; ein Ende ist nicht in Sicht.
"""

BASELINE = """\
Der Karl Heinz Platz liegt nahe dem Bahnhof, nicht am Fluss.
"Das ist gutes Buch", sagte Lehrer und lächelte.
Am 3. Oktober kamen 4,5 Millionen Gäste in Stadt.
EU-weite Regelung gilt für Klein- und Mittelbetriebe.
Zwei Kinder spielen mit rotem Ball vor dem Haus.
Warum hat niemand Tür geschlossen?
Er fährt jeden Tag mit Fahrrad zur Arbeit in Aix-en-Provence.
Verhandlungen dauern an; Ende nicht in Sicht.
"""

# `sacrebleu ref.de -i sys.de -m bleu chrf ter -w 6`, version 2.6.0
SACREBLEU = {"sacrebleu": 63.074727, "chrf": 78.010534, "ter": 18.987342}
SACREBLEU_SIGNATURES = {
    "sacrebleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:",
    "chrf": "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:",
    "ter": "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:",
}

# Moses' multi-bleu.perl on the output of `sacremoses -l de tokenize`, and after
# `perl -ple 's{(\S)-(\S)}{$1 ##AT##-##AT## $2}g'`
MULTI_BLEU = {"tokenised": 60.956338, "compound_split": 65.414366}

# `sacrebleu ref.de -i base.de sys.de -m bleu chrf ter --paired-bs -w 4`, version 2.6.0:
# score, mean, half of the 95% confidence interval; of the system also p
PAIRED = {
    "BLEU": ((46.2857, 46.2314, 9.3883), (63.0747, 63.0849, 7.7108), 0.0010),
    "chrF2": ((74.3553, 74.3897, 7.5602), (78.0105, 78.0321, 6.4660), 0.1708),
    "TER": ((29.1139, 28.9794, 11.6883), (18.9873, 19.0600, 6.7542), 0.0599),
}
