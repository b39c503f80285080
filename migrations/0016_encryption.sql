-- What: keys of devices, cross-signing keys and signatures, one-time and fallback keys, messages to devices, changes of device
--       lists, key backups.
-- Why:  the server's half of end-to-end encryption: it keeps and hands on what only the clients can read or make.
-- Cost: none on an empty database. Old processes may run beside it, but tell nobody of devices that they end.

CREATE TABLE device_keys (
	user_id text NOT NULL,
	device_id text NOT NULL,
	ed25519 text NOT NULL,
	body text NOT NULL,
	CONSTRAINT device_keys_pkey PRIMARY KEY (user_id, device_id),
	CONSTRAINT device_keys_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
COMMENT ON TABLE device_keys IS 'Identity keys of local devices';
COMMENT ON COLUMN device_keys.user_id IS 'whose';
COMMENT ON COLUMN device_keys.device_id IS 'of which device';
COMMENT ON COLUMN device_keys.ed25519 IS 'its signing key, unpadded Base64';
COMMENT ON COLUMN device_keys.body IS 'canonical JSON of the key object without signatures and unsigned';

CREATE TABLE cross_signing_keys (
	user_id text NOT NULL,
	usage text NOT NULL,
	public_key text NOT NULL,
	body text NOT NULL,
	CONSTRAINT cross_signing_keys_pkey PRIMARY KEY (user_id, usage),
	CONSTRAINT cross_signing_keys_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE,
	CONSTRAINT cross_signing_keys_usage_known CHECK (usage IN ('master', 'self_signing', 'user_signing'))
);
COMMENT ON TABLE cross_signing_keys IS 'Cross-signing keys of local users';
COMMENT ON COLUMN cross_signing_keys.user_id IS 'whose';
COMMENT ON COLUMN cross_signing_keys.usage IS 'master, self_signing or user_signing';
COMMENT ON COLUMN cross_signing_keys.public_key IS 'Ed25519, unpadded Base64';
COMMENT ON COLUMN cross_signing_keys.body IS 'as in device_keys';

CREATE TABLE key_signatures (
	target_user text NOT NULL,
	target_key text NOT NULL,
	signer_user text NOT NULL,
	signer_key text NOT NULL,
	signature text NOT NULL,
	CONSTRAINT key_signatures_pkey PRIMARY KEY (target_user, target_key, signer_user, signer_key)
);
CREATE INDEX key_signatures_signer_idx ON key_signatures (signer_user, signer_key);
COMMENT ON TABLE key_signatures IS 'Checked signatures over device keys and cross-signing keys';
COMMENT ON COLUMN key_signatures.target_user IS 'whose key was signed';
COMMENT ON COLUMN key_signatures.target_key IS 'device id, or public cross-signing key';
COMMENT ON COLUMN key_signatures.signer_user IS 'who signed';
COMMENT ON COLUMN key_signatures.signer_key IS 'with which key: ed25519:DEVICE or ed25519:PUBLICKEY';
COMMENT ON COLUMN key_signatures.signature IS 'unpadded Base64';

CREATE TABLE one_time_keys (
	user_id text NOT NULL,
	device_id text NOT NULL,
	algorithm text NOT NULL,
	key_id text NOT NULL,
	key text NOT NULL,
	is_claimed boolean NOT NULL DEFAULT false,
	seq bigint GENERATED ALWAYS AS IDENTITY,
	CONSTRAINT one_time_keys_pkey PRIMARY KEY (user_id, device_id, algorithm, key_id),
	CONSTRAINT one_time_keys_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX one_time_keys_free_idx ON one_time_keys (user_id, device_id, algorithm, seq) WHERE NOT is_claimed;
CREATE INDEX one_time_keys_claimed_idx ON one_time_keys (user_id, device_id, seq) WHERE is_claimed;
COMMENT ON TABLE one_time_keys IS 'One-time keys; claimed ones stay for a while, so that none uploaded again is given out again';
COMMENT ON COLUMN one_time_keys.user_id IS 'whose';
COMMENT ON COLUMN one_time_keys.device_id IS 'of which device';
COMMENT ON COLUMN one_time_keys.algorithm IS 'signed_curve25519, …';
COMMENT ON COLUMN one_time_keys.key_id IS 'chosen by the device';
COMMENT ON COLUMN one_time_keys.key IS 'canonical JSON';
COMMENT ON COLUMN one_time_keys.is_claimed IS 'was given to somebody';
COMMENT ON COLUMN one_time_keys.seq IS 'order of upload';

CREATE TABLE fallback_keys (
	user_id text NOT NULL,
	device_id text NOT NULL,
	algorithm text NOT NULL,
	key_id text NOT NULL,
	key text NOT NULL,
	is_used boolean NOT NULL DEFAULT false,
	CONSTRAINT fallback_keys_pkey PRIMARY KEY (user_id, device_id, algorithm),
	CONSTRAINT fallback_keys_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
COMMENT ON TABLE fallback_keys IS 'What is given out when a device has no one-time key left';
COMMENT ON COLUMN fallback_keys.user_id IS 'whose';
COMMENT ON COLUMN fallback_keys.device_id IS 'of which device';
COMMENT ON COLUMN fallback_keys.algorithm IS 'as in one_time_keys';
COMMENT ON COLUMN fallback_keys.key_id IS 'chosen by the device';
COMMENT ON COLUMN fallback_keys.key IS 'canonical JSON';
COMMENT ON COLUMN fallback_keys.is_used IS 'was given to somebody since it was uploaded';

CREATE TABLE device_messages (
	user_id text NOT NULL,
	device_id text NOT NULL,
	position bigint NOT NULL,
	message text NOT NULL,
	CONSTRAINT device_messages_pkey PRIMARY KEY (user_id, device_id, position),
	CONSTRAINT device_messages_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
COMMENT ON TABLE device_messages IS 'Messages to devices that have not fetched them yet';
COMMENT ON COLUMN device_messages.user_id IS 'to whom';
COMMENT ON COLUMN device_messages.device_id IS 'to which device';
COMMENT ON COLUMN device_messages.position IS 'stream position; a device gets at most one message of each';
COMMENT ON COLUMN device_messages.message IS 'JSON as in /sync: content, sender, type';

CREATE TABLE device_list_changes (
	user_id text NOT NULL,
	seen_by text NOT NULL,
	position bigint NOT NULL,
	CONSTRAINT device_list_changes_pkey PRIMARY KEY (user_id, seen_by)
);
CREATE INDEX device_list_changes_position_idx ON device_list_changes (position);
COMMENT ON TABLE device_list_changes IS 'When the keys of a user last changed; who shares a room is computed when asked for';
COMMENT ON COLUMN device_list_changes.user_id IS 'whose keys';
COMMENT ON COLUMN device_list_changes.seen_by IS 'the only user who can see the change (a signature); empty: everybody';
COMMENT ON COLUMN device_list_changes.position IS 'stream position of the newest change';

CREATE TABLE device_list_pending (
	user_id text NOT NULL,
	CONSTRAINT device_list_pending_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE device_list_pending IS 'Users whose devices changed beside the writer; soon a row in device_list_changes';
COMMENT ON COLUMN device_list_pending.user_id IS 'whose';

CREATE TABLE key_backups (
	user_id text NOT NULL,
	version bigint NOT NULL,
	algorithm text NOT NULL,
	auth_data text NOT NULL,
	etag bigint NOT NULL DEFAULT 0,
	key_count bigint NOT NULL DEFAULT 0,
	is_deleted boolean NOT NULL DEFAULT false,
	CONSTRAINT key_backups_pkey PRIMARY KEY (user_id, version)
) WITH (fillfactor = 70);
COMMENT ON TABLE key_backups IS 'Versions of users'' key backups';
COMMENT ON COLUMN key_backups.user_id IS 'whose';
COMMENT ON COLUMN key_backups.version IS 'from 1 for each user; never given out twice';
COMMENT ON COLUMN key_backups.algorithm IS 'as the client gave it';
COMMENT ON COLUMN key_backups.auth_data IS 'JSON object as text';
COMMENT ON COLUMN key_backups.etag IS 'moves with every change of the keys';
COMMENT ON COLUMN key_backups.key_count IS 'keys stored';
COMMENT ON COLUMN key_backups.is_deleted IS 'only the number is left';

CREATE TABLE key_backup_keys (
	user_id text NOT NULL,
	version bigint NOT NULL,
	room_id text NOT NULL,
	session_id text NOT NULL,
	first_message_index bigint NOT NULL,
	forwarded_count bigint NOT NULL,
	is_verified boolean NOT NULL,
	session_data text NOT NULL,
	CONSTRAINT key_backup_keys_pkey PRIMARY KEY (user_id, version, room_id, session_id),
	CONSTRAINT key_backup_keys_version_fkey FOREIGN KEY (user_id, version)
		REFERENCES key_backups (user_id, version) ON DELETE CASCADE
);
COMMENT ON TABLE key_backup_keys IS 'Encrypted room keys in backups';
COMMENT ON COLUMN key_backup_keys.user_id IS 'whose';
COMMENT ON COLUMN key_backup_keys.version IS 'in which backup';
COMMENT ON COLUMN key_backup_keys.room_id IS 'Matrix room id';
COMMENT ON COLUMN key_backup_keys.session_id IS 'Megolm session';
COMMENT ON COLUMN key_backup_keys.first_message_index IS 'first message that it decrypts';
COMMENT ON COLUMN key_backup_keys.forwarded_count IS 'how often it was handed on';
COMMENT ON COLUMN key_backup_keys.is_verified IS 'as the client says';
COMMENT ON COLUMN key_backup_keys.session_data IS 'JSON object as text';
