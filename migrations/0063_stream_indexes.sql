-- What: the index of the stream of events holds only what stands in it.
-- Why:  a page of a room was read by it, through all that came in other rooms, where PostgreSQL believed that the room has few events. Only who says
--       that a position is above 0 is offered it now, and that are the readers of the stream. Smaller, too: fetched history is not in it.
-- Cost: builds an index over events. Old processes may run beside it: their plans are made for the positions asked for, which are above 0.
CREATE INDEX events_stream_idx ON events (position) WHERE position > 0;
DROP INDEX events_position_idx;
