-- What: rooms that senders of notices make for classes, as they are wanted, and who is to be in them.
-- Why:  the command beside a running server cannot change rooms; a server brings them into that state (docs/notices.md).
-- Cost: none. Old processes may run beside it: they leave the rooms as they are.

CREATE TABLE notice_classes (
	class_id bigint GENERATED ALWAYS AS IDENTITY,
	alias text NOT NULL,
	sender text NOT NULL,
	template text NOT NULL,
	name text,
	is_encrypted boolean NOT NULL,
	space text,
	created_at_ms bigint NOT NULL,
	version bigint NOT NULL,
	room_id text,
	next_try_ms bigint,
	failures bigint NOT NULL,
	reason text,
	CONSTRAINT notice_classes_pkey PRIMARY KEY (class_id),
	CONSTRAINT notice_classes_alias_key UNIQUE (alias),
	CONSTRAINT notice_classes_sender_fkey FOREIGN KEY (sender) REFERENCES notice_senders (user_id)
);
CREATE INDEX notice_classes_next_idx ON notice_classes (next_try_ms) WHERE next_try_ms IS NOT NULL;
COMMENT ON TABLE notice_classes IS 'Rooms of classes, as they are wanted';
COMMENT ON COLUMN notice_classes.class_id IS 'number';
COMMENT ON COLUMN notice_classes.alias IS 'by which the room is found; of this server';
COMMENT ON COLUMN notice_classes.sender IS 'who makes it, and stays its creator';
COMMENT ON COLUMN notice_classes.template IS 'who may do what: class, notices, space';
COMMENT ON COLUMN notice_classes.name IS 'of the room; null: none, or as it is';
COMMENT ON COLUMN notice_classes.is_encrypted IS 'whether it is to be encrypted; no room ceases to be';
COMMENT ON COLUMN notice_classes.space IS 'room id or alias of the space in which it is; null: none, or as it is';
COMMENT ON COLUMN notice_classes.created_at_ms IS 'when it was wanted first';
COMMENT ON COLUMN notice_classes.version IS 'grows with each change of what is wanted';
COMMENT ON COLUMN notice_classes.room_id IS 'the room, once it is there';
COMMENT ON COLUMN notice_classes.next_try_ms IS 'when it is to be brought into that state; null: it was';
COMMENT ON COLUMN notice_classes.failures IS 'how often in a row it could not be';
COMMENT ON COLUMN notice_classes.reason IS 'why it could not the last time, or who could not be invited; null: all is well';

CREATE TABLE notice_class_people (
	class_id bigint NOT NULL,
	user_id text NOT NULL,
	role text NOT NULL,
	CONSTRAINT notice_class_people_pkey PRIMARY KEY (class_id, user_id),
	CONSTRAINT notice_class_people_class_fkey FOREIGN KEY (class_id) REFERENCES notice_classes (class_id) ON DELETE CASCADE,
	CONSTRAINT notice_class_people_role_check CHECK (role IN ('staff', 'member', 'gone'))
);
COMMENT ON TABLE notice_class_people IS 'Who is to be in the room of a class, and who is to be taken out';
COMMENT ON COLUMN notice_class_people.class_id IS 'class';
COMMENT ON COLUMN notice_class_people.user_id IS 'user, also of another server';
COMMENT ON COLUMN notice_class_people.role IS 'staff and member are invited; gone is taken out, and then forgotten';
