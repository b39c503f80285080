-- What: devices of local users that the server itself runs: their keys, their Olm sessions with other devices, the room keys that
--       they were given, and which messages they have read.
-- Why:  so that a service of the server can speak and read in encrypted rooms.
-- Cost: none. Old processes may run beside it: they let messages to such devices lie.
-- All secrets are sealed under DATA/secrets.key (e2ee/vault.h).

CREATE TABLE own_devices (
	user_id text NOT NULL,
	device_id text NOT NULL,
	account text NOT NULL,
	CONSTRAINT own_devices_pkey PRIMARY KEY (user_id),
	CONSTRAINT own_devices_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
COMMENT ON TABLE own_devices IS 'The device that the server runs for a user';
COMMENT ON COLUMN own_devices.user_id IS 'whose';
COMMENT ON COLUMN own_devices.device_id IS 'device';
COMMENT ON COLUMN own_devices.account IS 'sealed: its Olm account, the secret halves of its keys';

CREATE TABLE own_cross_keys (
	user_id text NOT NULL,
	seeds text NOT NULL,
	CONSTRAINT own_cross_keys_pkey PRIMARY KEY (user_id),
	CONSTRAINT own_cross_keys_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE own_cross_keys IS 'Cross-signing keys that the server made for such a user; they outlive the device';
COMMENT ON COLUMN own_cross_keys.user_id IS 'whose';
COMMENT ON COLUMN own_cross_keys.seeds IS 'sealed: the seeds of master, self-signing and user-signing key';

CREATE TABLE own_olm_sessions (
	user_id text NOT NULL,
	peer_key text NOT NULL,
	session_id text NOT NULL,
	peer_user text NOT NULL,
	run text NOT NULL,
	used_at_ms bigint NOT NULL,
	state text NOT NULL,
	CONSTRAINT own_olm_sessions_pkey PRIMARY KEY (user_id, peer_key, session_id),
	CONSTRAINT own_olm_sessions_device_fkey FOREIGN KEY (user_id) REFERENCES own_devices (user_id) ON DELETE CASCADE
);
CREATE INDEX own_olm_sessions_user_idx ON own_olm_sessions (user_id, peer_user, used_at_ms);
COMMENT ON TABLE own_olm_sessions IS 'Olm sessions of own devices with other devices';
COMMENT ON COLUMN own_olm_sessions.user_id IS 'of whose own device';
COMMENT ON COLUMN own_olm_sessions.peer_key IS 'Curve25519 key of the other device';
COMMENT ON COLUMN own_olm_sessions.session_id IS 'the same at both ends';
COMMENT ON COLUMN own_olm_sessions.peer_user IS 'who said to own the other device when the session began';
COMMENT ON COLUMN own_olm_sessions.run IS 'the run of a server in which it began: only that one sends with it';
COMMENT ON COLUMN own_olm_sessions.used_at_ms IS 'when something was last received, or it began';
COMMENT ON COLUMN own_olm_sessions.state IS 'sealed: its ratchet';

CREATE TABLE own_room_keys (
	user_id text NOT NULL,
	session_id text NOT NULL,
	room_id text NOT NULL,
	sender text NOT NULL,
	sender_key text NOT NULL,
	sender_ed25519 text NOT NULL,
	received_at_ms bigint NOT NULL,
	state text NOT NULL,
	CONSTRAINT own_room_keys_pkey PRIMARY KEY (user_id, session_id),
	CONSTRAINT own_room_keys_device_fkey FOREIGN KEY (user_id) REFERENCES own_devices (user_id) ON DELETE CASCADE
);
CREATE INDEX own_room_keys_sender_idx ON own_room_keys (user_id, sender, received_at_ms);
COMMENT ON TABLE own_room_keys IS 'Megolm sessions that own devices were given';
COMMENT ON COLUMN own_room_keys.user_id IS 'whose own device';
COMMENT ON COLUMN own_room_keys.session_id IS 'Megolm session';
COMMENT ON COLUMN own_room_keys.room_id IS 'for which room';
COMMENT ON COLUMN own_room_keys.sender IS 'who gave it';
COMMENT ON COLUMN own_room_keys.sender_key IS 'Curve25519 key of the device that gave it';
COMMENT ON COLUMN own_room_keys.sender_ed25519 IS 'its signing key, as it said inside the Olm message';
COMMENT ON COLUMN own_room_keys.received_at_ms IS 'when';
COMMENT ON COLUMN own_room_keys.state IS 'sealed: its ratchet';

CREATE TABLE own_room_messages (
	user_id text NOT NULL,
	session_id text NOT NULL,
	message_index bigint NOT NULL,
	event_id text NOT NULL,
	CONSTRAINT own_room_messages_pkey PRIMARY KEY (user_id, session_id, message_index),
	CONSTRAINT own_room_messages_key_fkey FOREIGN KEY (user_id, session_id)
		REFERENCES own_room_keys (user_id, session_id) ON DELETE CASCADE
);
COMMENT ON TABLE own_room_messages IS 'Which event has used an index of a session: none may be used by two';
COMMENT ON COLUMN own_room_messages.user_id IS 'whose own device';
COMMENT ON COLUMN own_room_messages.session_id IS 'Megolm session';
COMMENT ON COLUMN own_room_messages.message_index IS 'index in it';
COMMENT ON COLUMN own_room_messages.event_id IS 'the first event that was read with it';

CREATE TABLE own_peers (
	user_id text NOT NULL,
	peer_key text NOT NULL,
	renewed_at_ms bigint NOT NULL DEFAULT 0,
	is_told boolean NOT NULL DEFAULT false,
	CONSTRAINT own_peers_pkey PRIMARY KEY (user_id, peer_key),
	CONSTRAINT own_peers_device_fkey FOREIGN KEY (user_id) REFERENCES own_devices (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE own_peers IS 'Devices with which an own device had trouble';
COMMENT ON COLUMN own_peers.user_id IS 'whose own device';
COMMENT ON COLUMN own_peers.peer_key IS 'Curve25519 key of the other device';
COMMENT ON COLUMN own_peers.renewed_at_ms IS 'when a session was last begun anew because a message could not be read';
COMMENT ON COLUMN own_peers.is_told IS 'was told that no session could be had (m.no_olm), and none was since';
