-- What: an index over the events that are in threads.
-- Why:  which threads have something new for a user, without looking through the main timeline.
-- Cost: one pass over events; holds off writing meanwhile. Old processes may run beside it.

CREATE INDEX events_threaded_idx ON events (room_nid, position)
	INCLUDE (thread_root, sender, notify_seq, highlight_seq) WHERE thread_root IS NOT NULL;
