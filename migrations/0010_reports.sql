-- What: reports of events, rooms and users by local users.
-- Why:  administrators read them (belfry report); what was reported is kept as it was.
-- Cost: none. Old processes may run beside it.

CREATE TABLE reports (
	report_id bigint GENERATED ALWAYS AS IDENTITY,
	created_at_ms bigint NOT NULL,
	reporter text NOT NULL,
	room_id text,
	event_id text,
	user_id text,
	reason text,
	event_json text,
	CONSTRAINT reports_pkey PRIMARY KEY (report_id)
);
COMMENT ON TABLE reports IS 'What users have reported to the administrators';
COMMENT ON COLUMN reports.report_id IS 'number by which administrators speak of it';
COMMENT ON COLUMN reports.created_at_ms IS 'when';
COMMENT ON COLUMN reports.reporter IS 'user id of who reported';
COMMENT ON COLUMN reports.room_id IS 'the room reported, or that of the event; NULL for a user';
COMMENT ON COLUMN reports.event_id IS 'the event reported; NULL for a room or a user';
COMMENT ON COLUMN reports.user_id IS 'the user reported, or the sender of the event; NULL for a room';
COMMENT ON COLUMN reports.reason IS 'in the words of the reporter; NULL: none given';
COMMENT ON COLUMN reports.event_json IS 'the event as it was then, since it may be redacted later';
