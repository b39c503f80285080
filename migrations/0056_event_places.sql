-- What: places of events that came after what stands on them, so that pages of history show them before it.
-- Why:  docs/federation.md, "The order across gaps".
-- Cost: none. Old processes may not run beside it: they would fill gaps over such places.

CREATE TABLE event_places (
	room_nid bigint NOT NULL,
	place bigint NOT NULL,
	position bigint NOT NULL,
	CONSTRAINT event_places_pkey PRIMARY KEY (room_nid, place)
);
CREATE UNIQUE INDEX event_places_position_key ON event_places (room_nid, position);
COMMENT ON TABLE event_places IS 'Events that are shown elsewhere in history than where they came; the place of all others is their position';
COMMENT ON COLUMN event_places.room_nid IS 'room';
COMMENT ON COLUMN event_places.place IS 'where history shows it: a number below its position that is no other event''s';
COMMENT ON COLUMN event_places.position IS 'of the event';
COMMENT ON COLUMN room_gaps.position IS 'place of the event on this side';
