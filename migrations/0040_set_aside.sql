-- What: which events outside of the timeline others rest on.
-- Why:  docs/federation.md, "Where an event stands": those on which nothing rests have a ceiling.
-- Cost: one look into events for each room. Old processes may not run beside it: what they let rest on such an event is not noted, so it
--       might be given up while it is needed.

ALTER TABLE events ADD COLUMN hold integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN events.hold IS 'of an event outside of the timeline: 0: nobody said that others rest on it; 1: they do; 2: and all on which it rests is held, too';

ALTER TABLE rooms ADD COLUMN ground_position bigint NOT NULL DEFAULT -1152921504606846976;
UPDATE rooms SET ground_position = coalesce((SELECT min(e.position) FROM events e
	WHERE e.room_nid = rooms.room_nid AND e.position < -1152921504606846976), ground_position);
COMMENT ON COLUMN rooms.ground_position IS 'what is outside of the timeline from here upwards came with our joins: it is never given up';
