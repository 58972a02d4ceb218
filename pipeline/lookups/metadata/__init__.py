"""The metadata of a lookup's answers, as the words of ``meta`` select it.

1. ``meta_words.py`` has the words and parses them into options.
2. ``reading.py`` plans the reads of a batch, and reads MusicBrainz.
3. ``view.py`` makes the JSON of a track from the rows; ``releases.py`` makes its releases,
   ``user_text.py`` its submitted texts, and ``json_parts.py`` the parts that these use.
"""
