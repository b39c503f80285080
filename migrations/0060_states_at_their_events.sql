-- What: state points to where its event is.
-- Why:  an event that was kept before this server was in its room, such as the invite, could be named by two intervals of state. When it came
--       once more with the room's history, one of them went on naming the old place, and reading history there failed.
-- Cost: reads the table of states once. Old processes may run beside it.

UPDATE states AS s SET event_position = e.position
FROM events AS e
WHERE s.event_position <= -1152921504606846976 AND e.event_id = s.event_id AND e.room_nid = s.room_nid
	AND e.position <> s.event_position AND NOT EXISTS (SELECT 1 FROM events AS x WHERE x.position = s.event_position);
