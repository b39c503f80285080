-- What: the index of searchable texts is made anew, with the windows of the timeline and single characters as terms.
-- Why:  so that a search for a word that is in many texts reads only the newest of them.
-- Cost: none by itself; the consumer then reads all events once, some ten thousand a second, and a search finds what it has read so far.
-- Old processes may run beside it; they no longer fill the index.

TRUNCATE search_texts;
DELETE FROM consumers WHERE name = 'search_1';
COMMENT ON COLUMN search_texts.room_nid IS 'room; also a term of its own (/12)';
COMMENT ON COLUMN search_texts.target_position IS 'of the event that is found: of an edit, what it edits; else position; its windows are terms of their own (/a7, /b0, …)';
COMMENT ON COLUMN search_texts.terms IS 'terms with their places in the text (base/terms.h), and what pairs of characters begin with';
